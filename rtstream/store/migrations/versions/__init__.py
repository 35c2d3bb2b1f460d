"""One module per migration; the first four characters of its name are its revision."""
