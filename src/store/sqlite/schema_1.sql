-- Version 1. Times are microseconds since 1970-01-01 UTC. `data` is described in FORMATS.md, "Record".
CREATE TABLE sessions (
    key        BLOB    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    owner      TEXT,
    data       BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_owner ON sessions (owner) WHERE owner IS NOT NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
