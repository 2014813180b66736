"""What happens every night: labels, answers, monitoring, and a new model where one is due."""
