// SPDX-License-Identifier: GPL-2.0-only
//! The codes of input errors. Their explanations stand in [`crate::explain`].

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $id:literal,)*) => {
        /// What kind of mistake a [`crate::Diagnostic`] reports. The text (`E0102`) is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text, such as `E0102`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }
        }
    };
}

codes! {
    /// The text is not TOML.
    Syntax = "E0101",
    /// A key that the format does not know.
    UnknownKey = "E0102",
    /// A key that must be there is not.
    MissingKey = "E0103",
    /// A value of the wrong type.
    WrongType = "E0104",
    /// A number outside its range.
    OutOfRange = "E0105",
    /// A word that is not among the possible ones.
    UnknownWord = "E0106",
    /// `format` is missing, or not one that this program reads.
    Format = "E0107",
    /// A plain key after a table header.
    MisplacedKey = "E0108",
    /// A name that is not one.
    BadName = "E0109",
    /// The text of an access, a place or a symbol does not parse.
    BadText = "E0110",
    /// An event that is not declared.
    UnknownEvent = "E0201",
    /// A name that is taken.
    Duplicate = "E0202",
    /// A step label that does not exist.
    UnknownLabel = "E0203",
    /// A group that perf would refuse.
    Group = "E0204",
    /// A sampling event that perf would refuse, or an injector that could not work.
    Sampling = "E0205",
    /// A step that is not one operation.
    StepShape = "E0206",
    /// Steps in an order that cannot work.
    Order = "E0207",
    /// The source of an injected NMI is no such source.
    NmiSource = "E0208",
    /// This step cannot be swept.
    NotSwept = "E0209",
    /// More than a run has room for.
    TooMuch = "E0210",
    /// An event that can never count.
    NeverCounts = "E0211",
    /// An illegal mix of rows.
    Coupling = "E0301",
    /// A scheduler or machine that no file describes.
    UnknownFile = "E0302",
    /// The bases of scheduler files form a circle.
    BaseCycle = "E0303",
    /// The name in a file is not the one it is found by.
    NameMismatch = "E0304",
    /// Parts of a processor that do not go together.
    Bank = "E0305",
    /// A machine that the guest kernel cannot run on.
    NoGuest = "E0306",
    /// A memory model that machines do not have.
    StoreBuffers = "E0307",
    /// A known finding without the place it is about.
    NoPlace = "E0401",
}

impl Code {
    /// The code with this text.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.id().eq_ignore_ascii_case(id))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
