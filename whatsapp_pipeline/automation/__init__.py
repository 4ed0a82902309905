"""Jobs, schedules and sensors, and running jobs from the command line.

What belongs here: deciding which job runs at which time. What does not: assets and their partitions
(assets/), and checks (checks/).
"""
