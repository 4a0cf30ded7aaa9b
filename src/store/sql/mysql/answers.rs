//! What the numbers of MySQL and MariaDB mean: those of both manuals' lists that a server, or a proxy before it, can say
//! to our statements.

use crate::store::sql::error::Meaning;

/// What a number means, and what to do.
pub(super) fn meaning(number: u16) -> (Meaning, &'static str) {
    use Meaning::{Again, Corrupt, Elsewhere, OutOfReach, Slow, Taken};
    match number {
        1022 | 1062 | 1586 => (Taken, "there is a row with this key"),
        // 1020: MariaDB where `innodb_snapshot_isolation` is on; 3101: group replication.
        1020 | 1205 | 1213 | 1412 | 1613 | 1614 | 1615 | 3101 => {
            (Again, "the statement lost against others again and again, or a row stayed locked")
        }
        1317 | 1969 | 3024 | 3572 => (Slow, "the statement took too long, or somebody ended it"),
        1223 | 1290 | 1792 | 1836 => {
            (Elsewhere, "the server takes no writes: connect to the primary")
        }
        1243 => (Elsewhere, "a proxy mixes up prepared statements"),
        // 1047: a node of a Galera cluster that has lost the others; 3032: in offline mode.
        1047 | 1053 | 1077..=1079 | 1152 | 1158..=1161 | 1184 | 3032 | 3168 => {
            (OutOfReach, "the server is shutting down, or does not serve at present")
        }
        1927 | 3169 | 4031 => (OutOfReach, "the server has ended the connection"),
        // What proxies say of the servers behind them.
        2002..=2006 | 2013 | 2055 | 9001..=9006 => {
            (OutOfReach, "the server behind the proxy cannot be reached")
        }
        126 | 127 | 1033..=1035 | 1194 | 1195 | 1712 | 1877 => {
            (Corrupt, "the table or its index is damaged: see the server's log")
        }
        _ => (Meaning::Refused, refusal(number)),
    }
}

/// What to do about a refusal. An answer that has no line is one.
const fn refusal(number: u16) -> &'static str {
    match number {
        1146 => "the table is not there: call `create_table`, or run the schema",
        1054 | 1136 | 1364 => "the table is not as the schema says: is it another program's?",
        1044 | 1045 | 1251 | 1698 | 2059 => "user or password is wrong, or not for this database",
        1129 | 1130 => "the server takes no connections from this host",
        1142 | 1143 | 1227 => "this user may not use the table: grant it",
        1046 => "the URL names no database: mysql://user:password@host/database",
        1049 => "there is no such database",
        1059 => "the table's name is too long",
        1153 | 1406 => {
            "the record, or its owner, is too large: see the server's max_allowed_packet"
        }
        1366 | 1267 | 3988 => "the database's character set cannot hold this text",
        1021 | 1114 => "the server's disk, or the table, is full",
        1037 | 1038 | 1041 | 1135 => "the server has no memory left",
        1040 | 1203 | 1226 => "the server, or this user, has no connections left",
        1461 => "the server has no prepared statements left: see its max_prepared_stmt_count",
        1665 => "the server writes a log of statements: set its binlog_format to ROW or MIXED",
        _ => "the database refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s75_every_number_but_those_of_the_table_is_a_refusal() {
        let table: &[(Meaning, &[u16])] = &[
            (Meaning::Taken, &[1022, 1062, 1586]),
            (Meaning::Again, &[1020, 1205, 1213, 1412, 1613, 1614, 1615, 3101]),
            (Meaning::Slow, &[1317, 1969, 3024, 3572]),
            (Meaning::Elsewhere, &[1223, 1243, 1290, 1792, 1836]),
            (
                Meaning::OutOfReach,
                &[
                    1047, 1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2002,
                    2003, 2004, 2005, 2006, 2013, 2055, 3032, 3168, 3169, 4031, 9001, 9002, 9003,
                    9004, 9005, 9006,
                ],
            ),
            (Meaning::Corrupt, &[126, 127, 1033, 1034, 1035, 1194, 1195, 1712, 1877]),
        ];
        for number in 0..=u16::MAX {
            let row = table.iter().find(|(_, numbers)| numbers.contains(&number));
            let expected = row.map_or(Meaning::Refused, |(meaning, _)| *meaning);
            assert_eq!(meaning(number).0, expected, "{number}");
        }
    }
}
