//! Models in memory, ready to run.

#[cfg(test)]
mod aliased;
mod arena;
mod dimensions;
mod idle;
mod run;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ort::memory::MemoryInfo;
use ort::session::RunOptions;
use ort::value::{Outlet, ValueType};

use self::arena::with_arena;
use self::idle::{Keeper, OpenSession, Weights};
use self::run::Names;
use super::device::Placement;
use super::error::{ModelError, RunError};
use super::library::Runtime;
use super::tensor::{Input, Output};
use super::{Allowance, DataType, Tensor};

pub use idle::release_idle_memory;

/// How a model runs.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Where.
    pub placement: Placement,
    /// Threads within one operation; 0 means one for each core.
    pub intra_threads: usize,
    /// Bytes that ONNX Runtime may take for the runs of one session; any number where
    /// there is none.
    pub run_memory: Option<usize>,
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
    /// The names of its dimensions, empty where one has none. Those of one name are equal.
    pub dimensions: Vec<String>,
}

impl TensorSpec {
    fn of(role: &'static str, outlet: &Outlet) -> Result<Self, ModelError> {
        let unsupported = || ModelError::UnsupportedType {
            role,
            name: outlet.name().to_owned(),
            found: outlet.dtype().to_string(),
        };
        let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
            return Err(unsupported());
        };
        let data_type = DataType::from_ort(*ty).ok_or_else(unsupported)?;
        Ok(Self {
            name: outlet.name().to_owned(),
            data_type,
            shape: shape.iter().map(|n| (*n).max(-1)).collect(),
            dimensions: dimension_symbols.iter().cloned().collect(),
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
    stopped: OnceLock<Instant>,
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
        let _ = self.0.stopped.set(Instant::now());
        if let Err(error) = self.0.options.terminate() {
            tracing::warn!("cannot stop a run: {error}");
        }
    }

    /// Whether it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.get().is_some()
    }

    /// How long ago it was asked to stop, if it was.
    pub fn stopped_for(&self) -> Option<Duration> {
        self.0.stopped.get().map(Instant::elapsed)
    }
}

impl Runtime {
    /// A handle that stops one run.
    pub fn interrupt(self) -> Result<Interrupt, RunError> {
        let options = RunOptions::new().map_err(|error| RunError::from_ort(&error))?;
        Ok(Interrupt(Arc::new(Flag { options, stopped: OnceLock::new() })))
    }
}

/// A model that is open. It runs one request at a time; for more, open several.
#[derive(Debug)]
pub struct Session {
    keeper: Arc<Keeper>,
    names: Names,
    /// Says to the library that our memory is the CPU's.
    place: MemoryInfo<'static>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    has_static_cost: bool,
}

impl Session {
    /// The session that `create` makes, with an arena of its own. `initializers` were inputs
    /// of its model, and are none any more; `weights` is kept until the session is gone.
    pub(super) fn open(
        runtime: Runtime,
        limit: Option<usize>,
        create: impl FnOnce() -> ort::Result<ort::session::Session>,
        initializers: &HashSet<&str>,
        weights: Weights,
        has_static_cost: bool,
    ) -> Result<Self, ModelError> {
        let refused = |error: ort::Error| ModelError::Refused { message: error.message().to_owned() };
        let (session, arena) = with_arena(runtime.environment(), limit, create).map_err(refused)?;
        // The library does not compare what it reserves with the limit, and takes a limit
        // that is passed already for none.
        let taken = arena.held().map_or(0, |held| held.total);
        if let Some(limit) = limit.filter(|limit| taken >= *limit as u64) {
            return Err(ModelError::RunMemory { limit, taken });
        }
        // The session still lists the initializers as inputs, also those of types that no
        // request can send.
        let own = session.inputs().iter().filter(|input| !initializers.contains(input.name()));
        let inputs = own.map(|input| TensorSpec::of("input", input)).collect::<Result<Vec<_>, _>>()?;
        let outputs = session.outputs().iter().map(|output| TensorSpec::of("output", output));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        let strings = inputs.iter().any(|spec| spec.data_type == DataType::Bytes);
        let names = Names::of(&inputs, &outputs).map_err(refused)?;
        let keeper = Keeper::new(OpenSession::new(session, arena, weights));
        let place = MemoryInfo::default();
        Ok(Self { keeper, names, place, inputs, outputs, has_static_cost: has_static_cost && !strings })
    }

    #[cfg(test)]
    fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Whether the cost of a run follows from the shapes of its inputs alone.
    pub fn has_static_cost(&self) -> bool {
        self.has_static_cost
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// What it answers.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// Runs the model on `inputs`, and returns the outputs named in `wanted`, in that order,
    /// or all when it names none. Only these outputs leave the library; together they take
    /// no more than is `allowed`. ONNX Runtime computes the others all the same: builds for
    /// inference have no way to stop at what was asked for.
    pub fn run(
        &mut self,
        inputs: Vec<Tensor>,
        wanted: &[&str],
        allowed: &Allowance,
        interrupt: &Interrupt,
    ) -> Result<Vec<Tensor>, RunError> {
        check_inputs(&self.inputs, &inputs)?;
        let wanted = choose_outputs(&self.outputs, wanted)?;
        if interrupt.is_stopped() {
            return Err(RunError::Interrupted);
        }
        let inputs = inputs.into_iter().map(|input| input.into_input(&self.place));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        self.keeper.run(|session| self.answer(session, &inputs, &wanted, allowed, interrupt))
    }

    /// Runs `session` on `inputs`, and copies the outputs at the positions `wanted`.
    fn answer(
        &self,
        session: &mut ort::session::Session,
        inputs: &[Input],
        wanted: &[usize],
        allowed: &Allowance,
        interrupt: &Interrupt,
    ) -> Result<Vec<Tensor>, RunError> {
        let outputs = match self.names.run(session, &interrupt.0.options, inputs, wanted) {
            Ok(outputs) => outputs,
            Err(_) if interrupt.is_stopped() => return Err(RunError::Interrupted),
            Err(error) => return Err(RunError::from_ort(&error)),
        };
        let mut room = allowed.room();
        let copy = |(index, output): (&usize, &Output<'_>)| {
            let spec = &self.outputs[*index];
            output.copy(&spec.name, spec.data_type, &mut room)
        };
        wanted.iter().zip(&outputs).map(copy).collect()
    }
}

/// Whether `inputs` are what `specs` ask for. What only the model's operations can know
/// (indices in range, sizes that it gives no name) is left to the run.
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
        None => {
            dimensions::check(specs.iter().map(|spec| (spec.name.as_str(), &spec.dimensions[..])), inputs)
        }
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
    use half::f16;

    use super::*;
    use crate::runtime::TensorData;
    use crate::runtime::testing::{model, open_with, run, runtime};

    fn open(name: &str) -> Result<Session, ModelError> {
        open_with(&model(name), &[])
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
        let stopped = session.run(vec![input(1_000_000)], &[], &Allowance::of(usize::MAX), &interrupt);
        assert_eq!(stopped, Err(RunError::Interrupted));
        assert!(started.elapsed() < Duration::from_secs(20));
        thread.join().unwrap();
        // The session lives on, the interrupt does not.
        assert_eq!(
            session.run(vec![input(1)], &[], &Allowance::of(usize::MAX), &interrupt),
            Err(RunError::Interrupted)
        );
        assert!(run(&mut session, vec![input(1)], &[]).is_ok());
    }
}
