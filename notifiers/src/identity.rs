//! By what a notice is known, so that one that is sent twice is not shown twice.

use crate::notice::Notice;

/// The same for the same notice, another one for each other: 32 hexadecimal digits.
///
/// A notice whose answer was lost is sent once more, and who takes it in can tell by this.
pub fn identity(notice: &Notice) -> String {
    let time = notice.time.as_nanosecond().to_string();
    // One that is told again for more than before is another one.
    let count = notice.group.as_ref().map(|group| group.count.to_string());
    let parts = [
        &notice.trace_id,
        notice.stage.name(),
        &notice.status,
        &time,
        &notice.rule,
        &notice.action,
        &notice.output_target,
    ];
    // FNV-1a of 128 bits, with a byte between the parts that none of them has.
    let bytes = parts.into_iter().chain(count.as_deref()).flat_map(|part| part.bytes().chain([0xFF]));
    let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_own() {
        let notice = crate::notice::tests::notice();
        let other = Notice { action: "Other".to_owned(), ..notice.clone() };
        assert_eq!(identity(&notice), identity(&notice.clone()));
        assert_ne!(identity(&notice), identity(&other));
        assert_eq!(identity(&notice).len(), 32);
    }

    #[test]
    fn a_group_that_has_grown_is_another_one() {
        let notice = crate::notice::tests::grouped();
        let mut grown = notice.clone();
        grown.group.as_mut().unwrap().count += 1;
        assert_ne!(identity(&notice), identity(&grown));
    }
}
