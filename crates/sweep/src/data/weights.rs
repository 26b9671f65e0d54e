//! θ* out of a safetensors file, as PyTorch saves a perceptron with one hidden layer.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use taugrid_escape::landscape::mlp::{Shape, Tensors};

/// The two layers' names, in modules that name them and in an `nn.Sequential`.
const NAMES: [[&str; 2]; 2] = [["fc1", "fc2"], ["0", "2"]];

/// The weights in `bytes`, for a perceptron of `shape`; else everything that is wrong.
pub(crate) fn read(bytes: &[u8], shape: Shape) -> Result<Tensors, Vec<String>> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| vec![format!("not a safetensors file: {error}")])?;
    let is_there = |layers: &&[&str; 2]| tensors.tensor(&format!("{}.weight", layers[0])).is_ok();
    let Some([first, second]) = NAMES.iter().find(is_there) else {
        let mut names: Vec<&str> = tensors.names();
        names.sort_unstable();
        return Err(vec![format!(
            "no tensor fc1.weight (or 0.weight, as nn.Sequential names it); there are: {}",
            names.join(", ")
        )]);
    };
    let Shape { inputs, hidden, classes } = shape;
    let mut faults = Vec::new();
    let mut tensor = |layer: &str, part: &str, shape: &[usize]| {
        let name = format!("{layer}.{part}");
        let read =
            tensors.tensor(&name).map_err(|_| format!("tensor {name}: missing")).and_then(|t| reals(&name, &t, shape));
        read.map_err(|fault| faults.push(fault)).unwrap_or_default()
    };
    let weights = Tensors {
        fc1_weight: tensor(first, "weight", &[hidden, inputs]),
        fc1_bias: tensor(first, "bias", &[hidden]),
        fc2_weight: tensor(second, "weight", &[classes, hidden]),
        fc2_bias: tensor(second, "bias", &[classes]),
    };
    if faults.is_empty() { Ok(weights) } else { Err(faults) }
}

/// The finite numbers of a tensor that must have `shape`.
fn reals(name: &str, tensor: &TensorView<'_>, shape: &[usize]) -> Result<Vec<f64>, String> {
    if tensor.shape() != shape {
        return Err(format!("tensor {name}: its shape is {:?}, where {shape:?} is expected", tensor.shape()));
    }
    let values: Vec<f64> = match tensor.dtype() {
        Dtype::F32 => numbers(tensor.data(), |bytes| f32::from_le_bytes(bytes).into()),
        Dtype::F64 => numbers(tensor.data(), f64::from_le_bytes),
        other => return Err(format!("tensor {name}: its type is {other:?}, where F32 or F64 is expected")),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(format!("tensor {name}: its value {i} is {}, which is not finite", values[i])),
        None => Ok(values),
    }
}

/// The numbers of `N` bytes each that lie in `data`.
pub(crate) fn numbers<const N: usize, T>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tensors: &[(&str, Dtype, &[usize], &[f64])]) -> Vec<u8> {
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, dtype, _, values)| match dtype {
                Dtype::F64 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
                _ => values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect(),
            })
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, dtype, shape, _), bytes)| {
            (*name, TensorView::new(*dtype, shape.to_vec(), bytes).expect("consistent"))
        });
        safetensors::serialize(views, None).expect("serializes")
    }

    #[test]
    fn both_namings_and_both_precisions_are_read() {
        let w1 = [0.5, -0.25, 1.0, 2.0, 3.0, 4.0];
        for (names, dtype) in NAMES.iter().zip([Dtype::F32, Dtype::F64]) {
            let name = |layer: usize, part| format!("{}.{part}", names[layer]);
            let bytes = file(&[
                (&name(0, "weight"), dtype, &[3, 2], &w1),
                (&name(0, "bias"), dtype, &[3], &[1.0, 2.0, 3.0]),
                (&name(1, "weight"), dtype, &[2, 3], &w1),
                (&name(1, "bias"), dtype, &[2], &[0.0, -1.0]),
            ]);
            let weights = read(&bytes, Shape { inputs: 2, hidden: 3, classes: 2 }).expect("good");
            assert_eq!((&weights.fc1_weight[..], &weights.fc2_bias[..]), (&w1[..], &[0.0, -1.0][..]));
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let bytes = file(&[
            ("fc1.weight", Dtype::F32, &[3, 2], &[0.0; 6]),
            ("fc1.bias", Dtype::F32, &[3], &[0.0, f64::NAN, 0.0]),
            ("fc2.weight", Dtype::I32, &[2, 3], &[0.0; 6]),
        ]);
        assert_eq!(
            read(&bytes, Shape { inputs: 4, hidden: 3, classes: 2 }),
            Err(vec![
                "tensor fc1.weight: its shape is [3, 2], where [3, 4] is expected".to_owned(),
                "tensor fc1.bias: its value 1 is NaN, which is not finite".to_owned(),
                "tensor fc2.weight: its type is I32, where F32 or F64 is expected".to_owned(),
                "tensor fc2.bias: missing".to_owned(),
            ])
        );
        let other = file(&[("encoder", Dtype::F32, &[1], &[0.0])]);
        let message = "no tensor fc1.weight (or 0.weight, as nn.Sequential names it); there are: encoder";
        assert_eq!(read(&other, Shape { inputs: 1, hidden: 1, classes: 2 }), Err(vec![message.to_owned()]));
        assert!(
            read(b"PK\x03\x04 something else", Shape { inputs: 1, hidden: 1, classes: 2 }).expect_err("no file")[0]
                .starts_with("not a safetensors file: ")
        );
    }
}
