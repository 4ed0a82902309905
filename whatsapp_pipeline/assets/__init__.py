"""The software-defined assets, a module each: call the step, report what it did."""
