"""Pure decisions. Functions here take values and return values; they do no I/O, read no clock and start no task."""
