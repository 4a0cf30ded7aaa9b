CREATE TABLE IF NOT EXISTS {table} (
    key        bytea  NOT NULL PRIMARY KEY,  -- the locator, 16 bytes
    version    bigint NOT NULL,              -- moves on with every write but a touch
    expires_at bigint NOT NULL,              -- microseconds since 1970-01-01 UTC
    owner      text,
    data       bytea  NOT NULL,              -- the record
    sweep_at   bigint NOT NULL DEFAULT 0     -- when a sweep looks at it: at its expiry or before, and no touch moves it
) WITH (fillfactor = 80);
DO $$ BEGIN  -- a table of version 1 becomes one of version 2
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = 'sweep_at') THEN
        ALTER TABLE {table} ADD COLUMN sweep_at bigint NOT NULL DEFAULT 0, SET (fillfactor = 80);
    END IF;
    IF to_regclass('{schema}{name}_by_expiry') IS NOT NULL THEN  -- also one that an older release has made since
        DROP INDEX {schema}{name}_by_expiry;
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS {name}_by_owner ON {table} (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS {name}_by_sweep ON {table} (sweep_at);
