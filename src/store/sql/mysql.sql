CREATE TABLE IF NOT EXISTS {table} (
    `key`      binary(16)      NOT NULL PRIMARY KEY,  -- the locator
    version    bigint          NOT NULL,              -- moves on with every write but a touch
    expires_at bigint          NOT NULL,              -- microseconds since 1970-01-01 UTC
    owner      varbinary(1024),                       -- UTF-8; as bytes, because text would ignore blanks at its end
    data       longblob        NOT NULL,              -- the record
    INDEX {name}_by_owner (owner),
    INDEX {name}_by_expiry (expires_at)
) ENGINE = InnoDB;
