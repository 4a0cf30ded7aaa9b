-- Notes a touched record in its owner's index. KEYS: the index. ARGV: name, expiry, now, trim.

note(KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
return 1
