//! Bringing elements into C order and into the machine's byte order. Pure.

/// Turn the bytes of every element around.
pub(super) fn swap_bytes(bytes: &mut [u8], element_bytes: usize) {
    bytes.chunks_exact_mut(element_bytes).for_each(<[u8]>::reverse);
}

/// Elements whose first dimension is the fastest, rewritten with the last one the fastest.
pub(super) fn c_order(bytes: &[u8], shape: &[u64], element_bytes: usize) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(bytes.len());
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = element_bytes;
    for size in shape {
        strides.push(stride);
        stride = stride.saturating_mul(*size as usize);
    }
    let mut index = vec![0_u64; shape.len()];
    let mut from = 0;
    while ordered.len() < bytes.len() {
        ordered.extend_from_slice(&bytes[from..from + element_bytes]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis] as usize;
            index[axis] = 0;
        }
    }
    ordered
}
