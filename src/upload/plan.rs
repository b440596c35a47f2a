use super::UploadError;

/// S3's limits for multipart uploads.
pub const MAX_PARTS: u64 = 10_000;
pub const MAX_OBJECT: u64 = 5 << 40;
/// The least size that S3 takes for a part that is not the last.
pub const LEAST_PART: u64 = 5 << 20;
const MIB: u64 = 1 << 20;

/// The division of an object into parts. The same size and least part always give the same plan: the composite checksum
/// depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    pub size: u64,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// 0 if the object is put whole.
    pub count: u32,
}

impl PartPlan {
    /// The plan of an upload that began with `part_size`; `None` if the store could not take it.
    pub fn with_part_size(size: u64, part_size: u64) -> Option<Self> {
        if part_size == 0 || size > MAX_OBJECT {
            return None;
        }
        let count = size.div_ceil(part_size);
        (count <= MAX_PARTS).then_some(Self {
            size,
            part_size,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    pub const fn is_multipart(&self) -> bool {
        self.count > 0
    }

    /// Offset and length of part `number`, counted from 1; `None` when there is no such part.
    pub fn range(&self, number: u32) -> Option<(u64, u64)> {
        if number == 0 || number > self.count {
            return None;
        }
        let offset = u64::from(number - 1) * self.part_size;
        Some((offset, self.part_size.min(self.size - offset)))
    }

    /// Bytes of part `number`; 0 when there is no such part.
    pub fn length(&self, number: u32) -> u64 {
        self.range(number).map_or(0, |(_, length)| length)
    }
}

/// An object of up to `least` bytes is put whole; a larger one in parts of that size; beyond 10,000 parts, in larger parts, in
/// steps of 1 MiB.
pub fn plan_parts(size: u64, least: u64) -> Result<PartPlan, UploadError> {
    if size > MAX_OBJECT {
        return Err(UploadError::TooLarge { bytes: size });
    }
    let least = least.max(LEAST_PART);
    if size <= least {
        return Ok(PartPlan {
            size,
            part_size: least,
            count: 0,
        });
    }
    let part_size = least.max(size.div_ceil(MAX_PARTS).next_multiple_of(MIB));
    PartPlan::with_part_size(size, part_size).ok_or(UploadError::TooLarge { bytes: size })
}

/// Refuses to complete an upload of fewer parts than planned: the composite is computed over the same list, so the
/// store could not notice what is missing.
pub(super) fn plan_is_whole(plan: &PartPlan, done: usize, key: &str) -> Result<(), UploadError> {
    if done == plan.count as usize {
        return Ok(());
    }
    Err(UploadError::UploadLost {
        key: key.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULT_PART: u64 = 8 << 20;

    #[test]
    fn objects_up_to_one_part_are_put_whole() {
        for size in [0, 1, DEFAULT_PART - 1, DEFAULT_PART] {
            assert!(
                !plan_parts(size, DEFAULT_PART).unwrap().is_multipart(),
                "{size}"
            );
        }
        let plan = plan_parts(DEFAULT_PART + 1, DEFAULT_PART).unwrap();
        assert_eq!((plan.count, plan.range(2)), (2, Some((DEFAULT_PART, 1))));
        let plan = plan_parts(3 * DEFAULT_PART, DEFAULT_PART).unwrap();
        assert_eq!(
            (plan.count, plan.range(3)),
            (3, Some((2 * DEFAULT_PART, DEFAULT_PART)))
        );
        assert_eq!((plan.range(0), plan.range(4)), (None, None));
    }

    #[test]
    fn objects_beyond_ten_thousand_parts_get_larger_parts() {
        let plan = plan_parts(10_000 * (5 << 20) + 1, DEFAULT_PART).unwrap();
        assert_eq!((plan.part_size, plan.count), (DEFAULT_PART, 6_251));
        let plan = plan_parts(10_000 * DEFAULT_PART + 1, DEFAULT_PART).unwrap();
        assert_eq!((plan.part_size, plan.count), (9 << 20, 8_889));
        let plan = plan_parts(MAX_OBJECT, DEFAULT_PART).unwrap();
        assert_eq!((plan.part_size, plan.count), (525 << 20, 9_987));
        assert!(plan_parts(MAX_OBJECT + 1, DEFAULT_PART).is_err());
        assert!(PartPlan::with_part_size(MAX_OBJECT, 5 << 20).is_none());
        assert!(PartPlan::with_part_size(1, 0).is_none());
    }

    proptest! {
        #[test]
        fn parts_cover_the_object_without_gap_or_overlap(size in 0..=MAX_OBJECT, least in 0u64..=1 << 30) {
            let plan = plan_parts(size, least).unwrap();
            prop_assert!(u64::from(plan.count) <= MAX_PARTS);
            prop_assert!(plan.part_size >= 5 << 20 && plan.part_size <= 5 << 30);
            if plan.is_multipart() {
                let (offset, len) = plan.range(plan.count).unwrap();
                prop_assert_eq!(offset + len, size);
                prop_assert!(len > 0 && len <= plan.part_size);
            }
        }
    }
}
