"""The view of curves: settings over the film's time, with the sound behind them."""
