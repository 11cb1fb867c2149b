"""What following decisions would have earned: fills, fees, leverage, liquidation, equity."""
