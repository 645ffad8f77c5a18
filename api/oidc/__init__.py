"""OIDC issuer: its keys, the signature and claims of its tokens, and the sign-in of people in browsers."""
