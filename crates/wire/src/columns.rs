//! Columns: what a message has in place of a list of messages, so that reading it takes a few allocations, and not some for
//! each element.

/// Columns that should be of one length, and are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected} {of} have {values} values of `{column}`")]
pub struct ColumnError {
    /// What the column has a value for: trials, say.
    pub of: &'static str,
    /// How many of them there are.
    pub expected: u64,
    /// Which column.
    pub column: &'static str,
    /// How many values it has.
    pub values: usize,
}

/// That columns, each given by its name and length, have `expected` values, one for each `of`.
pub(crate) fn are_as_long(
    of: &'static str,
    expected: u64,
    columns: &[(&'static str, usize)],
) -> Result<(), ColumnError> {
    match columns.iter().find(|(_, values)| *values as u64 != expected) {
        Some(&(column, values)) => Err(ColumnError { of, expected, column, values }),
        None => Ok(()),
    }
}
