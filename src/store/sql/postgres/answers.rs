//! What PostgreSQL's codes mean: those of the manual's appendix A that it can say to our statements.

use crate::store::sql::error::Meaning;

/// What a code means, and what to do.
pub(super) fn meaning(code: &str) -> (Meaning, &'static str) {
    use Meaning::{Again, Corrupt, Elsewhere, OutOfReach, Refused, Slow, Taken};
    match code {
        "23505" => (Taken, "there is a row with this key"),
        "40000" | "40001" | "40P01" | "72000" => {
            (Again, "the statement lost against others again and again")
        }
        "55P03" => (Slow, "somebody holds a lock on the table or the row"),
        "57014" => (Slow, "the statement took too long, or somebody cancelled it"),
        "25P04" => (Slow, "the transaction took too long"),
        "25006" => (Elsewhere, "the server takes no writes: connect to the primary"),
        "0A000" => (Elsewhere, "the table was changed: the statement has to be prepared anew"),
        "25001" | "25P01" | "25P02" => (Elsewhere, "the connection is in a transaction of others"),
        "26000" | "42P05" | "34000" => {
            (Elsewhere, "a pooler mixes up prepared statements: let the store connect by itself")
        }
        "57P01" | "57P02" | "57P03" => (OutOfReach, "the server is shutting down, or starting"),
        "57P05" | "25P03" => (OutOfReach, "the server has ended an idle connection"),
        "40003" => (OutOfReach, "the server does not know whether the statement was done"),
        "57P04" => (Refused, "the database was dropped"),
        "42P01" | "3F000" => {
            (Refused, "the table is not there: call `create_table`, or run the schema")
        }
        "42703" => (
            Refused,
            "the table lacks a column, as one of an earlier version does: call `create_table`, or run the schema, as its owner",
        ),
        "42804" | "42883" | "23502" => {
            (Refused, "the table is not as the schema says: is it another program's?")
        }
        "42501" => (Refused, "this user may not use the table: grant it"),
        "22021" | "22P05" => {
            (Refused, "the database's encoding cannot hold this text, such as an owner")
        }
        "53100" => (Refused, "the server's disk is full"),
        "53300" => (Refused, "the server has no connections left"),
        "XX001" | "XX002" => (Corrupt, "the table or its index is damaged: see the server's log"),
        _ => of_class(code),
    }
}

/// For what has no line of its own. An answer is a refusal.
fn of_class(code: &str) -> (Meaning, &'static str) {
    match code.get(..2).unwrap_or_default() {
        "08" => (Meaning::OutOfReach, "the server, or a pooler before it, cannot be reached"),
        "28" => (Meaning::Refused, "user or password is wrong"),
        "3D" => (Meaning::Refused, "there is no such database"),
        "53" => (Meaning::Refused, "the server has no memory left, or another limit is reached"),
        "54" => (Meaning::Refused, "the record, or its owner, is too large for the server"),
        "58" | "XX" => (Meaning::Refused, "the server failed: see its log"),
        _ => (Meaning::Refused, "PostgreSQL refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the appendix that are no refusals, each with what follows.
    const TABLE: &[(Meaning, &[&str])] = &[
        (Meaning::Taken, &["23505"]),
        (Meaning::Again, &["40000", "40001", "40P01", "72000"]),
        (Meaning::Slow, &["55P03", "57014", "25P04"]),
        (
            Meaning::Elsewhere,
            &["25006", "0A000", "25001", "25P01", "25P02", "26000", "42P05", "34000"],
        ),
        (
            Meaning::OutOfReach,
            &[
                "08000", "08003", "08006", "08001", "08004", "08007", "08P01", "57P01", "57P02",
                "57P03", "57P05", "25P03", "40003",
            ],
        ),
        (Meaning::Corrupt, &["XX001", "XX002"]),
    ];

    #[test]
    fn s75_every_code_but_those_of_the_table_is_a_refusal() {
        let letters = || ('0'..='9').chain('A'..='Z');
        let ends = letters().flat_map(|a| letters().map(move |b| format!("{a}{b}")));
        // Every code there can be but those of the class that is out of reach altogether.
        for (class, end) in
            ends.clone().flat_map(|class| ends.clone().map(move |e| (class.clone(), e)))
        {
            for code in ["0", "P"].map(|third| format!("{class}{third}{end}")) {
                let row = TABLE.iter().find(|(_, codes)| codes.contains(&code.as_str()));
                let expected = row.map_or(Meaning::Refused, |(meaning, _)| *meaning);
                assert!(class == "08" || meaning(&code).0 == expected, "{code}");
            }
        }
        for (expected, codes) in TABLE {
            codes.iter().for_each(|code| assert_eq!(meaning(code).0, *expected, "{code}"));
        }
        assert_eq!(meaning("").0, Meaning::Refused);
    }
}
