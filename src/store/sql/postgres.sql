CREATE TABLE IF NOT EXISTS {table} (
    key        bytea  NOT NULL PRIMARY KEY,  -- the locator, 16 bytes
    version    bigint NOT NULL,              -- moves on with every write but a touch
    expires_at bigint NOT NULL,              -- microseconds since 1970-01-01 UTC
    owner      text,
    data       bytea  NOT NULL               -- the record
);
CREATE INDEX IF NOT EXISTS {name}_by_owner ON {table} (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS {name}_by_expiry ON {table} (expires_at);
