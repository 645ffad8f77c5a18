"""People who act: API keys, access tokens of an OIDC issuer, and sessions in browsers."""
