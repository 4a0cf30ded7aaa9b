WITH homes AS (SELECT regexp_split_to_array(CASE WHEN $1 <> '' THEN lower($1) ELSE
        replace(current_setting('search_path'), '"' || chr(36) || 'user"', current_user)
    END, '[", ]+') AS names),
found AS (SELECT c.oid, n.oid AS home
    FROM homes, pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = lower($2) AND c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname::text = ANY (names)
    ORDER BY NOT has_schema_privilege(n.oid, 'USAGE'), array_position(names, n.nspname::text) LIMIT 1),
missing AS (SELECT name FROM found, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS name
        WHERE NOT has_any_column_privilege(oid, name)
    UNION ALL SELECT 'DELETE' FROM found WHERE NOT has_table_privilege(oid, 'DELETE')
    UNION ALL SELECT 'USAGE of its schema' FROM found WHERE NOT has_schema_privilege(home, 'USAGE'))
SELECT (SELECT array_agg(name) FROM missing),
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
