# Filled in together with the package config.
