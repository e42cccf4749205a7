//! Dimensions that a model names: those of one name have one size in a request. ONNX
//! Runtime does not compare them; it plans its memory as if they were equal.

use crate::runtime::error::RunError;
use crate::runtime::tensor::Tensor;

/// Whether all dimensions of one name have the same size in `inputs`. `named` tells the
/// inputs that a model has, and the names of their dimensions.
pub(super) fn check<'a>(
    named: impl IntoIterator<Item = (&'a str, &'a [String])>,
    inputs: &[Tensor],
) -> Result<(), RunError> {
    let mut known: Vec<(&str, &str, usize)> = Vec::new();
    for (input, dimensions) in named {
        let Some(tensor) = inputs.iter().find(|tensor| tensor.name() == input) else { continue };
        for (dimension, &size) in dimensions.iter().zip(tensor.shape()) {
            if dimension.is_empty() {
                continue;
            }
            match known.iter().find(|(name, ..)| name == dimension) {
                Some((_, first, expected)) if *expected != size => {
                    return Err(RunError::UnequalSizes {
                        dimension: dimension.clone(),
                        first: (*first).to_owned(),
                        expected: *expected,
                        name: input.to_owned(),
                        found: size,
                    });
                }
                Some(_) => {}
                None => known.push((dimension, input, size)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::TensorData;

    fn tensor(name: &str, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        Tensor::new(name, shape.to_vec(), TensorData::Int8(vec![0; count])).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn dimensions_of_one_name_have_one_size() {
        let (a, b) = (names(&["batch", "", "n"]), names(&["", "batch"]));
        let asked = |of_a: &[usize], of_b: &[usize]| {
            check([("a", &a[..]), ("b", &b[..])], &[tensor("b", of_b), tensor("a", of_a)])
        };
        assert_eq!(asked(&[2, 3, 4], &[5, 2]), Ok(()));
        assert_eq!(
            asked(&[2, 3, 4], &[2, 5]).unwrap_err().to_string(),
            "dimension 'batch' is 2 in input 'a' and 5 in input 'b': the model wants one size"
        );
        let square = names(&["n", "n"]);
        let square = |shape: &[usize]| check([("a", &square[..])], &[tensor("a", shape)]);
        assert_eq!(square(&[3, 3]), Ok(()));
        assert!(square(&[3, 2]).is_err_and(|error| error.is_callers_fault()));
        // Without a shape there are no names.
        assert_eq!(check([("a", &[][..])], &[tensor("a", &[3, 2])]), Ok(()));
    }
}
