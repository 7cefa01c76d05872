"""Django's PostgreSQL backend, with a bound on connections and settings of each transaction; ENGINE of `DATABASES`."""
