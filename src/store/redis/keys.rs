//! What keys are called. In a cluster each begins with a hash tag, so that a record and its owner's index are in one
//! slot: the first byte of the record's key says which of 256 partitions they are in.

use crate::store::StoreKey;

pub(super) struct Keys {
    pub(super) prefix: String,
    pub(super) is_cluster: bool,
}

/// A part of all records that is in one slot: in a cluster one of 256, otherwise all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition(Option<u8>);

impl Keys {
    pub(super) fn record(&self, key: &StoreKey) -> String {
        format!("{}record:{key}", self.start(self.partition_of(key)))
    }

    pub(super) fn index(&self, partition: Partition, owner: &str) -> String {
        format!("{}owner:{owner}", self.start(partition))
    }

    /// What all records' names match, and perhaps others.
    pub(super) fn pattern(&self) -> String {
        let special = |letter| matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-');
        let prefix = self.prefix.chars().map(|letter| match special(letter) {
            true => format!("\\{letter}"),
            false => letter.to_string(),
        });
        format!("{}*record:*", prefix.collect::<String>())
    }

    /// A key to write to, where only the write matters.
    pub(super) fn mark(&self, partition: Partition) -> String {
        format!("{}mark", self.start(partition))
    }

    pub(super) fn partition_of(&self, key: &StoreKey) -> Partition {
        Partition(self.is_cluster.then(|| key.as_bytes()[0]))
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        let tagged = self.is_cluster.then(|| (0..=u8::MAX).map(|byte| Partition(Some(byte))));
        let whole = (!self.is_cluster).then_some(Partition(None));
        tagged.into_iter().flatten().chain(whole)
    }

    fn start(&self, partition: Partition) -> String {
        match partition {
            Partition(Some(byte)) => format!("{}{{{byte:02x}}}:", self.prefix),
            Partition(None) => self.prefix.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_and_its_owners_index_share_a_hash_tag_in_a_cluster_only() {
        let key = StoreKey::from_bytes([0x2a; 16]);
        let hex = "2a".repeat(16);
        let one = Keys { prefix: "p:".into(), is_cluster: false };
        assert_eq!(one.record(&key), format!("p:record:{hex}"));
        assert_eq!(one.index(one.partition_of(&key), "ada"), "p:owner:ada");
        assert_eq!(one.partitions().count(), 1);

        let many = Keys { prefix: "p:".into(), is_cluster: true };
        assert_eq!(many.record(&key), format!("p:{{2a}}:record:{hex}"));
        // An owner with braces has no say: the first ones count.
        assert_eq!(many.index(many.partition_of(&key), "{x}"), "p:{2a}:owner:{x}");
        assert_eq!(many.partitions().count(), 256);
        assert!(many.partitions().any(|partition| partition == many.partition_of(&key)));
    }
}
