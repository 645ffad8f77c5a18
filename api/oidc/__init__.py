"""Access tokens of an OIDC issuer: their signature, their claims, and the keys of the issuer."""
