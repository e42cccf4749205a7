//! Models in memory, ready to run.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ort::session::{RunOptions, SessionInputs};
use ort::value::{Outlet, ValueType};

use super::device::Placement;
use super::engine::Runtime;
use super::error::{ModelError, RunError};
use super::graph;
use super::inline::{Slim, slim};
use super::lend::{self, Guard, Lender, Weight};
use super::{DataType, Tensor};
use crate::secret::{SecretBytes, SecretPages};

/// A model in the clear, every byte of it authenticated.
#[derive(Debug)]
pub struct Model {
    /// All of it.
    pub plaintext: SecretPages,
    /// Where the ONNX file is in it.
    pub onnx: Range<usize>,
    /// The other members of its archive, by the names that its tensors call them.
    pub members: Vec<(String, Range<usize>)>,
}

/// How a model runs.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Where.
    pub placement: Placement,
    /// Threads within one operation; 0 means one for each core.
    pub intra_threads: usize,
}

/// What a model says of one input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// What it consists of.
    pub data_type: DataType,
    /// Its dimensions, -1 where any size will do. Empty for a scalar, and where
    /// the model does not say.
    pub shape: Vec<i64>,
}

impl TensorSpec {
    fn of(role: &'static str, outlet: &Outlet) -> Result<Self, ModelError> {
        let unsupported = || ModelError::UnsupportedType {
            role,
            name: outlet.name().to_owned(),
            found: outlet.dtype().to_string(),
        };
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else { return Err(unsupported()) };
        let data_type = DataType::from_ort(*ty).ok_or_else(unsupported)?;
        Ok(Self {
            name: outlet.name().to_owned(),
            data_type,
            shape: shape.iter().map(|n| (*n).max(-1)).collect(),
        })
    }

    fn check(&self, tensor: &Tensor) -> Result<(), RunError> {
        if tensor.data_type() != self.data_type {
            return Err(RunError::WrongType {
                name: self.name.clone(),
                found: tensor.data_type(),
                expected: self.data_type,
            });
        }
        let fits =
            |(&expected, &found): (&i64, &usize)| expected < 0 || usize::try_from(expected) == Ok(found);
        let shape = tensor.shape();
        if self.shape.is_empty()
            || (shape.len() == self.shape.len() && self.shape.iter().zip(shape).all(fits))
        {
            return Ok(());
        }
        Err(RunError::WrongShape {
            name: self.name.clone(),
            found: shape.to_vec(),
            expected: self.shape.clone(),
        })
    }
}

/// Stops one run, from any thread. Each run has its own.
#[derive(Clone)]
pub struct Interrupt(Arc<Flag>);

struct Flag {
    options: RunOptions,
    stopped: AtomicBool,
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

impl Interrupt {
    /// Ends the run as soon as the operation that is under way is done. A run
    /// that has not begun will not begin.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        if let Err(error) = self.0.options.terminate() {
            tracing::warn!("cannot stop a run: {error}");
        }
    }

    /// Whether it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }
}

impl Runtime {
    /// Prepares a model for so many `sessions`. Its graph is walked first, always. What
    /// no session will need of its plaintext is wiped here.
    pub fn prepare(self, mut model: Model, sessions: usize) -> Result<Opener, ModelError> {
        let bytes = model.plaintext.expose();
        let member = |name: &str| {
            let (_, range) = model.members.iter().find(|(member, _)| member == name)?;
            bytes.get(range.clone())
        };
        let onnx = bytes.get(model.onnx.clone()).ok_or(ModelError::NotOnnx)?;
        let graph = graph::inspect(onnx, &|name| member(name).map(|data| data.len() as u64))?;
        let Slim { onnx, weights } = slim(onnx, &member)?;
        let start = bytes.as_ptr().addr();
        let mut weights: Vec<_> = weights
            .into_iter()
            .map(|(mut weight, data)| {
                let at = data.as_ptr().addr() - start;
                weight.range = at..at + data.len();
                weight
            })
            .collect();
        align(model.plaintext.expose_mut(), &model.onnx, &mut weights);
        let lender = Lender::new(model.plaintext, &weights);
        Ok(Opener { runtime: self, is_unsteady: graph.is_unsteady, onnx, weights, lender, left: sessions })
    }

    /// A handle that stops one run.
    pub fn interrupt(self) -> Result<Interrupt, RunError> {
        let options = RunOptions::new().map_err(|error| RunError::from_ort(&error))?;
        Ok(Interrupt(Arc::new(Flag { options, stopped: AtomicBool::new(false) })))
    }
}

/// Weights within the ONNX file lie wherever their fields begin: moves each to where
/// numbers of its type may be read, into the bytes of its own field before it, which
/// are at least eight. Those in other files are lent only where they lie so already.
fn align(bytes: &mut [u8], onnx: &Range<usize>, weights: &mut [Weight]) {
    for weight in weights.iter_mut().filter(|weight| onnx.contains(&weight.range.start)) {
        let over = weight.range.start % lend::alignment(weight.data_type).unwrap_or(1);
        if over > 0 {
            bytes.copy_within(weight.range.clone(), weight.range.start - over);
            weight.range = weight.range.start - over..weight.range.end - over;
        }
    }
}

/// Opens a model as often as was said.
pub struct Opener {
    runtime: Runtime,
    onnx: SecretBytes,
    weights: Vec<Weight>,
    lender: Lender,
    is_unsteady: bool,
    /// Sessions that are still to be opened.
    left: usize,
}

impl Opener {
    /// Opens it once more. With the last time, all that the library has copied is gone
    /// from our memory when this returns.
    pub fn open(&mut self, options: &SessionOptions) -> Result<Session, ModelError> {
        self.left = self.left.saturating_sub(1);
        let builder = || self.runtime.builder(options.placement, options.intra_threads);
        let open = || self.lender.open(builder()?, self.onnx.expose(), &self.weights, self.left == 0);
        let session = open()
            .map_err(|error: ort::Error| ModelError::Refused { message: error.message().to_owned() })?;
        let specs = |role, outlets: &[Outlet]| {
            outlets.iter().map(|outlet| TensorSpec::of(role, outlet)).collect::<Result<Vec<_>, _>>()
        };
        let mut inputs = specs("input", session.inputs())?;
        // It still tells what it was before they were lent.
        inputs.retain(|input| self.weights.iter().all(|weight| weight.name != input.name));
        let strings = inputs.iter().any(|spec| spec.data_type == DataType::Bytes);
        Ok(Session {
            inputs,
            outputs: specs("output", session.outputs())?,
            is_steady: !self.is_unsteady && !strings,
            inner: session,
            _weights: self.lender.guard(),
        })
    }
}

/// A model that is open. It runs one request at a time; for more, open several.
#[derive(Debug)]
pub struct Session {
    inner: ort::session::Session,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    is_steady: bool,
    /// Weights that the library reads where they are; behind it, so that it goes first.
    _weights: Guard,
}

impl Session {
    /// Whether the shapes of its inputs alone decide how long it takes.
    pub fn is_steady(&self) -> bool {
        self.is_steady
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// What it answers.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Runs the model on `inputs`, and returns the outputs named in `wanted`, in
    /// that order, or all when it names none. The model computes all of them.
    pub fn run(
        &mut self,
        inputs: Vec<Tensor>,
        wanted: &[&str],
        interrupt: &Interrupt,
    ) -> Result<Vec<Tensor>, RunError> {
        check_inputs(&self.inputs, &inputs)?;
        let wanted = choose_outputs(&self.outputs, wanted)?;
        if interrupt.is_stopped() {
            return Err(RunError::Interrupted);
        }
        let values = inputs
            .into_iter()
            .map(|tensor| tensor.into_value().map(|(name, value)| (Cow::Owned(name), value.into())))
            .collect::<Result<Vec<_>, _>>()?;
        let values: SessionInputs<'_, '_> = SessionInputs::ValueMap(values);
        let answers = match self.inner.run_with_options(values, &interrupt.0.options) {
            Ok(answers) => answers,
            Err(_) if interrupt.is_stopped() => return Err(RunError::Interrupted),
            Err(error) => return Err(RunError::from_ort(&error)),
        };
        let copy = |index: usize| {
            let spec = &self.outputs[index];
            Tensor::from_value(&spec.name, spec.data_type, &answers[index])
        };
        wanted.into_iter().map(copy).collect()
    }
}

/// Whether `inputs` are what `specs` ask for. What only the model can know (sizes
/// that must agree with each other, indices in range) is left to the run.
pub fn check_inputs(specs: &[TensorSpec], inputs: &[Tensor]) -> Result<(), RunError> {
    for (position, tensor) in inputs.iter().enumerate() {
        let name = tensor.name();
        let spec = specs
            .iter()
            .find(|spec| spec.name == name)
            .ok_or_else(|| RunError::UnknownInput { name: name.to_owned(), expected: names(specs) })?;
        if inputs[..position].iter().any(|earlier| earlier.name() == name) {
            return Err(RunError::DuplicateInput { name: name.to_owned() });
        }
        spec.check(tensor)?;
    }
    match specs.iter().find(|spec| inputs.iter().all(|tensor| tensor.name() != spec.name)) {
        Some(missing) => Err(RunError::MissingInput { name: missing.name.clone() }),
        None => Ok(()),
    }
}

/// The positions of the `wanted` outputs.
fn choose_outputs(specs: &[TensorSpec], wanted: &[&str]) -> Result<Vec<usize>, RunError> {
    if wanted.is_empty() {
        return Ok((0..specs.len()).collect());
    }
    let mut chosen = Vec::with_capacity(wanted.len());
    for name in wanted {
        let index = specs
            .iter()
            .position(|spec| spec.name == *name)
            .ok_or_else(|| RunError::UnknownOutput { name: (*name).to_owned(), expected: names(specs) })?;
        if chosen.contains(&index) {
            return Err(RunError::DuplicateOutput { name: (*name).to_owned() });
        }
        chosen.push(index);
    }
    Ok(chosen)
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use half::f16;

    use super::*;
    use crate::runtime::TensorData;
    use crate::runtime::testing::{model, runtime};

    const CPU: SessionOptions = SessionOptions { placement: Placement::Cpu, intra_threads: 1 };

    /// A model of these bytes, and these members behind them, where an archive has them.
    fn model_of(onnx: &[u8], members: &[(&str, &[u8])]) -> Model {
        let (mut all, mut places) = (onnx.to_vec(), Vec::new());
        for (name, bytes) in members {
            all.resize(all.len().next_multiple_of(512), 0);
            places.push(((*name).to_owned(), all.len()..all.len() + bytes.len()));
            all.extend_from_slice(bytes);
        }
        let mut plaintext = SecretPages::zeroed(all.len()).unwrap();
        plaintext.expose_mut().copy_from_slice(&all);
        Model { plaintext, onnx: 0..onnx.len(), members: places }
    }

    fn open_with(onnx: &[u8], members: &[(&str, &[u8])]) -> Result<Session, ModelError> {
        runtime().prepare(model_of(onnx, members), 1)?.open(&CPU)
    }

    fn open(name: &str) -> Result<Session, ModelError> {
        open_with(&model(name), &[])
    }

    fn run(session: &mut Session, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, RunError> {
        session.run(inputs, wanted, &runtime().interrupt().unwrap())
    }

    fn digits(shape: [usize; 2]) -> Tensor {
        let name = open("digits.onnx").unwrap().inputs()[0].name.clone();
        Tensor::new(name, shape.to_vec(), TensorData::Fp32(vec![0.0; shape[0] * shape[1]])).unwrap()
    }

    #[test]
    fn classifies_digits() {
        let mut session = open("digits.onnx").unwrap();
        assert_eq!(session.inputs()[0].data_type, DataType::Fp32);
        assert_eq!(session.inputs()[0].shape, [-1, 64]);
        let answers = run(&mut session, vec![digits([3, 64])], &[]).unwrap();
        assert!(answers.iter().any(|answer| answer.shape() == [3, 10]), "{answers:?}");
    }

    #[test]
    fn every_data_type_comes_back_as_it_went() {
        let mut session = open("models/echo.onnx").unwrap();
        let value = |data_type| match data_type {
            DataType::Bytes => TensorData::Bytes(vec!["Grüße".into(), vec![]]),
            DataType::Fp16 => TensorData::Fp16(vec![f16::from_f32(1.5), f16::INFINITY]),
            DataType::Fp32 => TensorData::Fp32(vec![f32::MIN_POSITIVE, f32::NEG_INFINITY]),
            DataType::Uint64 => TensorData::Uint64(vec![u64::MAX, 0]),
            DataType::Int64 => TensorData::Int64(vec![i64::MIN, i64::MAX]),
            DataType::Bool => TensorData::Bool(vec![true, false]),
            other => TensorData::zeros(other, 2),
        };
        let inputs: Vec<_> = session
            .inputs()
            .iter()
            .map(|spec| Tensor::new(spec.name.clone(), vec![2], value(spec.data_type)).unwrap())
            .collect();
        assert_eq!(inputs.len(), 13);
        let answers = run(&mut session, inputs.clone(), &[]).unwrap();
        for (sent, got) in inputs.iter().zip(&answers) {
            assert_eq!(got.name(), sent.name().replace("_in", "_out"));
            assert_eq!(got.data(), sent.data());
        }
        let picked = run(&mut session, inputs, &["int8_out", "bool_out"]).unwrap();
        assert_eq!(picked.iter().map(Tensor::name).collect::<Vec<_>>(), ["int8_out", "bool_out"]);
    }

    #[test]
    fn bf16_works_in_binary() {
        let mut session = open("models/bf16.onnx").unwrap();
        let data = TensorData::Bf16(vec![half::bf16::from_f32(1.5)]);
        let input = Tensor::new("bf16_in", vec![1], data.clone()).unwrap();
        assert_eq!(run(&mut session, vec![input], &[]).unwrap()[0].data(), &data);
    }

    #[test]
    fn inputs_that_do_not_fit_are_the_callers_fault() {
        let mut session = open("digits.onnx").unwrap();
        let good = digits([1, 64]);
        let named = |name: &str| Tensor::new(name, vec![1], TensorData::Fp32(vec![0.0])).unwrap();
        let ints = Tensor::new(good.name(), vec![1, 64], TensorData::Int64(vec![0; 64])).unwrap();
        let flat = Tensor::new(good.name(), vec![64], TensorData::Fp32(vec![0.0; 64])).unwrap();
        let mut fails = |inputs, wanted: &[&str]| {
            let error = run(&mut session, inputs, wanted).unwrap_err();
            assert!(error.is_callers_fault(), "{error}");
            error
        };
        assert!(matches!(fails(vec![], &[]), RunError::MissingInput { .. }));
        assert!(matches!(fails(vec![named("nobody")], &[]), RunError::UnknownInput { .. }));
        assert!(matches!(fails(vec![good.clone(), good.clone()], &[]), RunError::DuplicateInput { .. }));
        assert!(matches!(fails(vec![ints], &[]), RunError::WrongType { .. }));
        assert!(matches!(fails(vec![flat], &[]), RunError::WrongShape { .. }));
        assert!(matches!(fails(vec![digits([1, 63])], &[]), RunError::WrongShape { .. }));
        assert!(matches!(fails(vec![good], &["nobody"]), RunError::UnknownOutput { .. }));
    }

    #[test]
    fn sizes_that_only_the_model_knows_are_the_callers_fault_too() {
        let mut session = open("models/slow.onnx").unwrap();
        let input = Tensor::new("iterations", vec![1], TensorData::Int64(vec![-1])).unwrap();
        // Not an error for Loop: it runs no round.
        assert!(run(&mut session, vec![input], &[]).is_ok());
    }

    #[test]
    fn a_run_ends_when_it_is_stopped() {
        let mut session = open("models/slow.onnx").unwrap();
        let input = |n| Tensor::new("iterations", vec![1], TensorData::Int64(vec![n])).unwrap();
        let interrupt = runtime().interrupt().unwrap();
        let remote = interrupt.clone();
        let started = Instant::now();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            remote.stop();
        });
        let stopped = session.run(vec![input(1_000_000)], &[], &interrupt);
        assert_eq!(stopped, Err(RunError::Interrupted));
        assert!(started.elapsed() < Duration::from_secs(20));
        thread.join().unwrap();
        // The session lives on, the interrupt does not.
        assert_eq!(session.run(vec![input(1)], &[], &interrupt), Err(RunError::Interrupted));
        assert!(run(&mut session, vec![input(1)], &[]).is_ok());
    }

    #[test]
    fn weights_come_from_a_member_of_the_archive_and_from_nowhere_else() {
        let onnx = model("models/external-cwd.onnx");
        let refused = open_with(&onnx, &[]).unwrap_err();
        assert!(matches!(refused, ModelError::ExternalData { .. }), "{refused}");

        let identity: Vec<u8> =
            (0..16).flat_map(|i| (if i % 5 == 0 { 2f32 } else { 0.0 }).to_le_bytes()).collect();
        let members = [("secret.bin", identity.as_slice())];
        let mut session = open_with(&onnx, &members).unwrap();
        let x = Tensor::new("x", vec![1, 4], TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0])).unwrap();
        let y = run(&mut session, vec![x], &[]).unwrap();
        assert_eq!(y[0].data(), &TensorData::Fp32(vec![2.0, 4.0, 6.0, 8.0]));
    }

    #[test]
    fn weights_in_a_subgraph_come_from_a_member_too() {
        let mut onnx = model("models/external-subgraph.onnx");
        for at in 0..onnx.len() {
            if onnx[at..].starts_with(b"../secret.bin") {
                onnx[at..at + 13].copy_from_slice(b"sub/weigh.bin");
            }
        }
        let weights: Vec<u8> = [1f32, 2.0, 3.0, 4.0].iter().flat_map(|f| f.to_le_bytes()).collect();
        let members = [("sub/weigh.bin", weights.as_slice())];
        let mut session = open_with(&onnx, &members).unwrap();
        let which = Tensor::new("which", vec![], TensorData::Bool(vec![true])).unwrap();
        let y = run(&mut session, vec![which], &[]).unwrap();
        assert_eq!(y[0].data(), &TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0]));
    }

    /// `y = x op w`, FP32, with `w` = `data` of 128 x 128.
    fn dense(op: &str, data: &[u8]) -> Vec<u8> {
        fn framed(number: u8, bytes: &[u8]) -> Vec<u8> {
            let mut out = vec![number << 3 | 2];
            super::super::wire::put_varint(&mut out, bytes.len() as u64);
            [out, bytes.to_vec()].concat()
        }
        let square = [8, 1, 18, 10, 10, 3, 8, 0x80, 1, 10, 3, 8, 0x80, 1];
        let value = |name: &[u8]| [framed(1, name), framed(2, &framed(1, &square))].concat();
        let node = [framed(1, b"x"), framed(1, b"w"), framed(2, b"y"), framed(4, op.as_bytes())].concat();
        let tensor = [&[8, 0x80, 1, 8, 0x80, 1, 16, 1][..], &framed(8, b"w"), data].concat();
        let graph = [
            framed(1, &node),
            framed(2, b"dense"),
            framed(5, &tensor),
            framed(11, &value(b"x")),
            framed(12, &value(b"y")),
        ];
        [vec![8, 8], framed(7, &graph.concat()), framed(8, &[16, 17])].concat()
    }

    #[test]
    fn weights_are_lent_and_wiped_once_they_are_repacked() {
        const BYTES: usize = 4 * 128 * 128;
        let ones = 1_f32.to_le_bytes().repeat(128 * 128);
        let raw = [&[9 << 3 | 2, 0x80, 0x80, 4][..], &ones].concat();
        let location = b"\x6a\x0d\x0a\x08location\x12\x01w\x70\x01".to_vec();
        for (op, y, kept) in [("MatMul", 128.0, 0), ("Add", 2.0, BYTES)] {
            let inside = model_of(&dense(op, &raw), &[]);
            let outside = model_of(&dense(op, &location), &[("w", &ones), ("unused", &ones)]);
            for (model, sessions) in [(inside, 1), (outside, 3)] {
                let mut opener = runtime().prepare(model, sessions).unwrap();
                assert_eq!(opener.lender.held(), BYTES, "what is not lent is gone");
                let mut open = Vec::new();
                for left in (0..sessions).rev() {
                    open.push(opener.open(&CPU).unwrap());
                    let expected = if left > 0 { BYTES } else { kept };
                    assert_eq!(opener.lender.held(), expected, "{op} {left}");
                }
                for session in &mut open {
                    let x = Tensor::new("x", vec![128, 128], TensorData::Fp32(vec![1.0; 128 * 128]));
                    let answer = run(session, vec![x.unwrap()], &[]).unwrap();
                    assert_eq!(answer[0].data(), &TensorData::Fp32(vec![y; 128 * 128]), "{op}");
                }
                drop(open);
                assert_eq!(opener.lender.held(), 0, "{op}");
            }
        }
    }

    #[test]
    fn weights_in_the_model_are_moved_to_where_numbers_may_lie() {
        let weight =
            |start| Weight { name: "w".into(), data_type: 1, shape: vec![4], range: start..start + 16 };
        let mut bytes: Vec<u8> = (0..64).collect();
        let mut weights = [weight(11), weight(28), weight(45)];
        align(&mut bytes, &(0..40), &mut weights);
        assert_eq!(weights, [weight(8), weight(28), weight(45)]);
        assert_eq!(bytes[8..24], (11..27).collect::<Vec<u8>>());
        assert_eq!(bytes[28..], (28..64).collect::<Vec<u8>>());
    }

    #[test]
    fn weights_beyond_the_end_of_a_member_are_refused() {
        let onnx = model("models/external-cwd.onnx");
        let members = [("secret.bin", &[0; 63][..])];
        let refused = open_with(&onnx, &members).unwrap_err();
        assert!(matches!(refused, ModelError::ExternalRange { .. }), "{refused}");
    }

    #[test]
    fn what_onnx_runtime_refuses_is_told() {
        // A graph, and nothing else.
        let refused = open_with(b"\x3a\x00", &[]).unwrap_err();
        assert!(matches!(refused, ModelError::Refused { .. }), "{refused}");
    }
}
