"""Who may do what: bearer tokens of an identity provider (OIDC) or of a file, roles, limits and the audit log."""
