//! Dimensions that a model names: those of one name have one size in a request. ONNX
//! Runtime does not compare them; it plans its memory as if they were equal.

use super::{RunError, Tensor, TensorSpec};

/// Whether all dimensions of one name have the same size in `inputs`, each of which fits
/// its own one of `specs`.
pub(super) fn check(specs: &[TensorSpec], inputs: &[Tensor]) -> Result<(), RunError> {
    let mut known: Vec<(&str, &str, usize)> = Vec::new();
    for spec in specs {
        let Some(tensor) = inputs.iter().find(|tensor| tensor.name() == spec.name) else { continue };
        for (dimension, &size) in spec.dimensions.iter().zip(tensor.shape()) {
            if dimension.is_empty() {
                continue;
            }
            match known.iter().find(|(name, ..)| name == dimension) {
                Some((_, first, expected)) if *expected != size => {
                    return Err(RunError::UnequalSizes {
                        dimension: dimension.clone(),
                        first: (*first).to_owned(),
                        expected: *expected,
                        name: spec.name.clone(),
                        found: size,
                    });
                }
                Some(_) => {}
                None => known.push((dimension, &spec.name, size)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{DataType, TensorData};

    fn spec(name: &str, dimensions: &[&str]) -> TensorSpec {
        let shape = dimensions.iter().map(|_| -1).collect();
        let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
        TensorSpec { name: name.into(), data_type: DataType::Int8, shape, dimensions }
    }

    fn tensor(name: &str, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        Tensor::new(name, shape.to_vec(), TensorData::Int8(vec![0; count])).unwrap()
    }

    #[test]
    fn dimensions_of_one_name_have_one_size() {
        let specs = [spec("a", &["batch", "", "n"]), spec("b", &["", "batch"])];
        let asked = |a: &[usize], b: &[usize]| check(&specs, &[tensor("b", b), tensor("a", a)]);
        assert_eq!(asked(&[2, 3, 4], &[5, 2]), Ok(()));
        assert_eq!(
            asked(&[2, 3, 4], &[2, 5]).unwrap_err().to_string(),
            "dimension 'batch' is 2 in input 'a' and 5 in input 'b': the model wants one size"
        );
        let square = [spec("a", &["n", "n"])];
        assert_eq!(check(&square, &[tensor("a", &[3, 3])]), Ok(()));
        assert!(check(&square, &[tensor("a", &[3, 2])]).is_err());
        // Without a shape there are no names.
        assert_eq!(check(&[spec("a", &[])], &[tensor("a", &[3, 2])]), Ok(()));
    }
}
