"""Where stages run. An engine moves tables and calls what it is given: it holds no threshold and no algorithm."""
