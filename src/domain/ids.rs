//! Names of configured things, and the short tags under which they are stored.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $t:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $t(pub Arc<str>);

        impl $t {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Its stored short form.
            pub fn tag(&self) -> Tag {
                Tag::of(&self.0)
            }
        }

        impl From<&str> for $t {
            fn from(s: &str) -> Self {
                Self(Arc::from(s))
            }
        }

        impl From<String> for $t {
            fn from(s: String) -> Self {
                Self(Arc::from(s))
            }
        }

        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A configured shop (`[[shop]] id`), the name in the webhook's URL.
    ShopId
);
name!(
    /// A configured channel account (`[[channel]] id`).
    ChannelId
);
name!(
    /// A configured route (`[[route]] id`).
    RouteId
);
name!(
    /// The shop platform's own id of an order, as a string: ids pass 2^53.
    OrderId
);

/// A name's FNV-1a hash: how routes, channels and milestones are stored in an owed item, which must stay
/// below 64 bytes. Cheap, because it is asked for with every item; settings with two names of one tag do not
/// start, so it need not be strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Tag(pub u32);

impl Tag {
    /// No name at all.
    pub const NONE: Tag = Tag(0);

    /// The tag of `name`; never [`Tag::NONE`].
    pub const fn of(name: &str) -> Tag {
        let bytes = name.as_bytes();
        let mut hash: u32 = 0x811c_9dc5;
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
            i += 1;
        }
        if hash == 0 { Tag(1) } else { Tag(hash) }
    }
}

/// First eight bytes of SHA-256: a subject's stored form, and the digests of webhooks already seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest8(pub u64);

impl Digest8 {
    /// The digest of the parts, each with its length, so that no two lists of parts run together.
    pub fn of(parts: &[&[u8]]) -> Digest8 {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let d = hash.finalize();
        Digest8(u64::from_be_bytes([d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]))
    }
}
