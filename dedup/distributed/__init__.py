"""The same job in supersteps over parts of the corpus, for engines that spread it over machines."""
