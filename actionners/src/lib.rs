//! actionners
