//! One run of a session through the library's C interface: names are converted once, when
//! the session opens, and only the outputs that were asked for are passed.

#![expect(
    unsafe_code,
    reason = "the safe interface converts all names, and looks up the outputs, in each run"
)]

use std::ffi::{CString, c_char};
use std::ptr;

use ort::session::{RunOptions, Session};
use ort::sys::OrtValue;
use ort::{AsPointer, Error, api};

use super::TensorSpec;
use crate::runtime::tensor::{Input, Output};

/// The names of a session's inputs and outputs, as the library takes them.
#[derive(Debug)]
pub(super) struct Names {
    inputs: Vec<CString>,
    outputs: Vec<CString>,
}

impl Names {
    pub(super) fn of(inputs: &[TensorSpec], outputs: &[TensorSpec]) -> ort::Result<Self> {
        let names = |specs: &[TensorSpec]| {
            let names = specs.iter().map(|spec| CString::new(spec.name.as_str()));
            names.collect::<Result<Vec<_>, _>>().map_err(|_| Error::new("a name holds a zero"))
        };
        Ok(Self { inputs: names(inputs)?, outputs: names(outputs)? })
    }

    /// Runs `session` on `inputs`, and returns the outputs at the positions `wanted`.
    ///
    /// An output may share its memory with an input: the library copies nothing where a graph
    /// gives an input back, or only its shape changes. It may share it with a weight, too. So
    /// inputs and session are borrowed for as long as the outputs can be read.
    pub(super) fn run<'r>(
        &self,
        session: &'r mut Session,
        options: &'r RunOptions,
        inputs: &'r [Input],
        wanted: &[usize],
    ) -> ort::Result<Vec<Output<'r>>> {
        let name = |input: &Input| {
            let named = |name: &&CString| name.as_bytes() == input.name().as_bytes();
            let name = self.inputs.iter().find(named).ok_or_else(|| Error::new("no such input"))?;
            Ok(name.as_ptr())
        };
        let input_names: Vec<*const c_char> = inputs.iter().map(name).collect::<ort::Result<_>>()?;
        let values: Vec<*const OrtValue> = inputs.iter().map(Input::ptr).collect();
        let output_names: Vec<*const c_char> = wanted.iter().map(|at| self.outputs[*at].as_ptr()).collect();
        let mut answers = vec![ptr::null_mut::<OrtValue>(); wanted.len()];
        // SAFETY: each list is as long as is said, and it and all that it points to live
        // through the call. `session` is ours alone, so this is its only run.
        let status = unsafe {
            (api().Run)(
                session.ptr().cast_mut(),
                options.ptr(),
                input_names.as_ptr(),
                values.as_ptr(),
                values.len(),
                output_names.as_ptr(),
                output_names.len(),
                answers.as_mut_ptr(),
            )
        };
        // Also where the run failed, so that nothing leaks that it left.
        // SAFETY: what the library left is ours; the inputs and the session, with its weights,
        // are borrowed for `'r`.
        let outputs: Vec<_> =
            answers.iter().filter_map(|value| unsafe { Output::from_raw(*value) }).collect();
        // SAFETY: it comes from the library, and is used no more.
        unsafe { Error::result_from_status(status) }?;
        if outputs.len() == wanted.len() { Ok(outputs) } else { Err(Error::new("an output is missing")) }
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::session::Session;
    use crate::runtime::testing::{framed, node, open_with, run, runtime};
    use crate::runtime::{Allowance, RunError, Tensor, TensorData};

    /// `sum` = `x` + `x`, and `shaped` = `x` of the shape `shape`.
    fn two_outputs() -> Session {
        let value = |name: &[u8], element: u8| {
            let shape = framed(2, &framed(1, &framed(2, name)));
            [framed(1, name), framed(2, &framed(1, &[&[8, element][..], &shape].concat()))].concat()
        };
        let graph = [
            framed(1, &node("Add", [b"x", b"x"], b"sum")),
            framed(1, &node("Reshape", [b"x", b"shape"], b"shaped")),
            framed(2, b"two"),
            framed(11, &value(b"x", 1)),
            framed(11, &value(b"shape", 7)),
            framed(12, &value(b"sum", 1)),
            framed(12, &value(b"shaped", 1)),
        ];
        let onnx = [vec![8, 8], framed(7, &graph.concat()), framed(8, &[16, 17])].concat();
        open_with(&onnx, &[]).unwrap()
    }

    fn inputs(shape: i64) -> Vec<Tensor> {
        let x = Tensor::new("x", vec![3], TensorData::Fp32(vec![1.0, 2.0, 3.0])).unwrap();
        vec![Tensor::new("shape", vec![1], TensorData::Int64(vec![shape])).unwrap(), x]
    }

    #[test]
    fn outputs_come_in_the_order_in_which_they_were_asked_for() {
        let mut session = two_outputs();
        let sum = Tensor::new("sum", vec![3], TensorData::Fp32(vec![2.0, 4.0, 6.0])).unwrap();
        let shaped = Tensor::new("shaped", vec![3], TensorData::Fp32(vec![1.0, 2.0, 3.0])).unwrap();
        let mut asked = |wanted: &[&str]| run(&mut session, inputs(3), wanted).unwrap();
        assert_eq!(asked(&[]), [sum.clone(), shaped.clone()]);
        assert_eq!(asked(&["shaped", "sum"]), [shaped.clone(), sum.clone()]);
        assert_eq!(asked(&["sum"]), [sum]);
        assert_eq!(asked(&["shaped"]), [shaped]);
    }

    #[test]
    fn only_outputs_that_were_asked_for_are_copied() {
        let mut session = two_outputs();
        let mut asked = |wanted: &[&str]| {
            let interrupt = runtime().interrupt().unwrap();
            session.run(inputs(3), wanted, &Allowance::of(12), &interrupt).map(|outputs| outputs.len())
        };
        assert_eq!(asked(&["sum"]), Ok(1));
        assert_eq!(asked(&[]), Err(RunError::TooLarge { limit: 12 }));
    }

    /// A limit of ONNX Runtime, not a wish: see [`Session::run`]. Where this fails, a newer
    /// version can do better, and what is documented there changes.
    #[test]
    fn the_library_computes_outputs_that_nobody_asked_for() {
        let mut session = two_outputs();
        assert!(run(&mut session, inputs(7), &["sum"]).is_err(), "three elements have no shape [7]");
        assert!(run(&mut session, inputs(3), &["sum"]).is_ok());
    }
}
