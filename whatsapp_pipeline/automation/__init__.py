"""Jobs, schedules and sensors, and running jobs from the command line.

What belongs here: what runs when. What does not: assets and their partitions (assets/), and checks (checks/).
"""
