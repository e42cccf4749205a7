//! From a model's plaintext to sessions: finds the weights that the library can read where
//! they are, moves them where alignment needs it, and wipes everything else.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::graph;
use super::model_rewrite::{Rewritten, rewrite};
use super::zero_copy::{self, SharedWeights, Weight, ZeroCopyWeights};
use crate::runtime::device::Placement;
use crate::runtime::error::ModelError;
use crate::runtime::library::Runtime;
use crate::runtime::session::{Session, SessionOptions};
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

impl Runtime {
    /// Prepares a model for so many `sessions`. Its graph is walked first, always. What
    /// no session will need of its plaintext is wiped here.
    pub fn prepare(self, model: Model, sessions: usize) -> Result<Loader, ModelError> {
        self.prepare_with(model, sessions, false)
    }

    /// As [`prepare`](Self::prepare), and the sessions share repacked weights, where the library
    /// can do that. The author of the model must be trusted: the library tells repacked weights
    /// apart by a hash that its author can make collide, and could then read memory beyond one.
    pub fn prepare_shared(self, model: Model, sessions: usize) -> Result<Loader, ModelError> {
        self.prepare_with(model, sessions, true)
    }

    fn prepare_with(self, mut model: Model, sessions: usize, share: bool) -> Result<Loader, ModelError> {
        let bytes = model.plaintext.expose();
        let members: HashMap<&str, &Range<usize>> =
            model.members.iter().map(|(name, range)| (name.as_str(), range)).collect();
        let member = |name: &str| bytes.get((*members.get(name)?).clone());
        let onnx = bytes.get(model.onnx.clone()).ok_or(ModelError::NotOnnx)?;
        let graph = graph::inspect(onnx, &|name| member(name).map(|data| data.len() as u64))?;
        let Rewritten { onnx, weights } = rewrite(onnx, &member)?;
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
        let zero_copy_weights = ZeroCopyWeights::new(model.plaintext, &weights);
        let is_shared =
            share && sessions > 1 && weights.iter().any(|weight| weight.is_shareable) && can_share(self);
        let shared = if is_shared { zero_copy_weights.share(&weights).map(Some) } else { Ok(None) };
        let shared = shared.map_err(|error| ModelError::Refused { message: error.message().to_owned() })?;
        Ok(Loader {
            runtime: self,
            shared,
            has_dynamic_cost: graph.has_dynamic_cost,
            onnx,
            weights,
            zero_copy_weights,
            left: sessions,
        })
    }
}

/// `y = x + w`, FP32 `[64]`, with `w` as an input.
const ADD: &[u8] = b"\x08\x08:J\n\x0e\n\x01x\n\x01w\x12\x01y\"\x03Add\x12\x05probe\
    Z\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x40Z\x0f\n\x01w\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x40\
    b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x40B\x04\n\x00\x10\x11";

/// Whether this library shares weights as [`SharedWeights`] expects: a session reads the
/// weight of the graph, and releases it when it is done, not before. `Add` repacks nothing,
/// so its weight must be in use once the session is open. Known builds pass; others may not.
fn can_share(runtime: Runtime) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    let probe = || {
        let name = "w".to_owned();
        let weights = [Weight { name, data_type: 1, shape: vec![64], range: 0..256, is_shareable: true }];
        let plaintext = SecretPages::zeroed(256).ok_or_else(|| ort::Error::new("no memory"))?;
        let memory = ZeroCopyWeights::new(plaintext, &weights);
        let shared = memory.share(&weights)?;
        let session = memory.open(runtime.builder(Placement::Cpu, 1)?, ADD, &weights, Some(&shared), true)?;
        let is_in_use = memory.is_in_use();
        drop(session);
        Ok::<_, ort::Error>(is_in_use)
    };
    *ANSWER.get_or_init(|| probe().unwrap_or(false))
}

/// Weights within the ONNX file lie wherever their fields begin: moves each to where
/// numbers of its type may be read, into the bytes of its own field before it, which
/// are at least eight. Those in other files stay where they are.
fn align(bytes: &mut [u8], onnx: &Range<usize>, weights: &mut [Weight]) {
    for weight in weights.iter_mut().filter(|weight| onnx.contains(&weight.range.start)) {
        let over = weight.range.start % zero_copy::alignment(weight.data_type).unwrap_or(1);
        if over > 0 {
            bytes.copy_within(weight.range.clone(), weight.range.start - over);
            weight.range = weight.range.start - over..weight.range.end - over;
        }
    }
}

/// Opens a model as often as was said.
pub struct Loader {
    runtime: Runtime,
    onnx: SecretBytes,
    weights: Vec<Weight>,
    zero_copy_weights: ZeroCopyWeights,
    shared: Option<SharedWeights>,
    has_dynamic_cost: bool,
    /// Sessions that are still to be opened.
    left: usize,
}

impl Loader {
    /// Opens it once more. With the last time, all that the library has copied is gone
    /// from our memory when this returns.
    pub fn open(&mut self, options: &SessionOptions) -> Result<Session, ModelError> {
        self.left = self.left.saturating_sub(1);
        let last = self.left == 0;
        // The library shares what kernels of the CPU repack.
        let shared = self.shared.as_ref().filter(|_| options.placement == Placement::Cpu);
        let cannot_share = Cell::new(false);
        let open = |shared| {
            let builder = self.runtime.builder(options.placement, options.intra_threads)?;
            let onnx = self.onnx.expose();
            self.zero_copy_weights.open(builder.with_env_allocators()?, onnx, &self.weights, shared, last)
        };
        // It refuses to share where a kernel keeps its repacked form to itself. With the last
        // session the weights are wiped, so that one is not tried again.
        let create = || match open(shared) {
            Err(_) if shared.is_some() && !last => {
                cannot_share.set(true);
                open(None)
            }
            opened => opened,
        };
        let initializers = self.weights.iter().map(|weight| weight.name.as_str()).collect();
        let guard = Box::new(self.zero_copy_weights.guard(self.shared.clone()));
        let limit = options.run_memory;
        let session =
            Session::open(self.runtime, limit, create, &initializers, guard, !self.has_dynamic_cost)?;
        if cannot_share.get() {
            self.shared = None;
        }
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing::{CPU, framed, model, model_of, node, open_with, run, runtime};
    use crate::runtime::{Tensor, TensorData};

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

    /// A graph's input or output: FP32, of these dimensions, each as a number on the wire.
    fn matrix(name: &[u8], dimensions: [[u8; 2]; 2]) -> Vec<u8> {
        let shape = dimensions.map(|[low, high]| framed(1, &[8, low, high])).concat();
        [framed(1, name), framed(2, &framed(1, &[&[8, 1][..], &framed(2, &shape)].concat()))].concat()
    }

    /// `y = x op w`, FP32, with `w` = `data` of 128 x 128.
    fn dense(op: &str, data: &[u8]) -> Vec<u8> {
        let value = |name| matrix(name, [[0x80, 1]; 2]);
        let tensor = [&[8, 0x80, 1, 8, 0x80, 1, 16, 1][..], &framed(8, b"w"), data].concat();
        let graph = [
            framed(1, &node(op, [b"x", b"w"], b"y")),
            framed(2, b"dense"),
            framed(5, &tensor),
            framed(11, &value(b"x")),
            framed(12, &value(b"y")),
        ];
        [vec![8, 8], framed(7, &graph.concat()), framed(8, &[16, 17])].concat()
    }

    #[test]
    fn weights_are_read_in_place_and_wiped_once_they_are_repacked() {
        const BYTES: usize = 4 * 128 * 128;
        let ones = 1_f32.to_le_bytes().repeat(128 * 128);
        let raw = [&[9 << 3 | 2, 0x80, 0x80, 4][..], &ones].concat();
        let location = b"\x6a\x0d\x0a\x08location\x12\x01w\x70\x01".to_vec();
        for (op, y, kept) in [("MatMul", 128.0, 0), ("Add", 2.0, BYTES)] {
            let inside = model_of(&dense(op, &raw), &[]);
            let outside = model_of(&dense(op, &location), &[("w", &ones), ("unused", &ones)]);
            for (model, sessions) in [(inside, 1), (outside, 3)] {
                let mut loader = runtime().prepare_shared(model, sessions).unwrap();
                assert_eq!(loader.zero_copy_weights.held(), BYTES, "everything else is wiped");
                let mut open = Vec::new();
                for left in (0..sessions).rev() {
                    open.push(loader.open(&CPU).unwrap());
                    let expected = if left > 0 { BYTES } else { kept };
                    assert_eq!(loader.zero_copy_weights.held(), expected, "{op} {left}");
                }
                for session in &mut open {
                    let x = Tensor::new("x", vec![128, 128], TensorData::Fp32(vec![1.0; 128 * 128]));
                    let answer = run(session, vec![x.unwrap()], &[]).unwrap();
                    assert_eq!(answer[0].data(), &TensorData::Fp32(vec![y; 128 * 128]), "{op}");
                }
                drop(open);
                assert_eq!(loader.zero_copy_weights.held(), 0, "{op}");
            }
        }
    }

    #[test]
    fn this_library_can_share_repacked_weights() {
        assert!(can_share(runtime()));
    }

    #[test]
    fn sessions_share_repacked_weights_and_answer_alike_at_once() {
        const SESSIONS: usize = 4;
        let data: Vec<u8> =
            (0..128_usize * 128).flat_map(|n| ((n * n % 1009) as f32 / 64.0 - 7.0).to_le_bytes()).collect();
        let x = || {
            let values = (0..128_usize * 128).map(|n| (n * 7 % 251) as f32 / 17.0).collect();
            Tensor::new("x", vec![128, 128], TensorData::Fp32(values)).unwrap()
        };
        let onnx = dense("MatMul", &framed(9, &data));
        let expected = run(&mut open_with(&onnx, &[]).unwrap(), vec![x()], &[]).unwrap();
        let mut loader = runtime().prepare_shared(model_of(&onnx, &[]), SESSIONS).unwrap();
        assert!(loader.shared.is_some());
        let mut open: Vec<_> = (0..SESSIONS).map(|_| loader.open(&CPU).unwrap()).collect();
        assert!(loader.shared.is_some(), "the library takes it");
        assert_eq!(loader.zero_copy_weights.held(), 0, "it is wiped once the last has repacked it");
        // What they share outlives the loader, and any of the sessions.
        drop(loader);
        std::thread::scope(|scope| {
            for (number, mut session) in open.drain(..).enumerate() {
                let (x, expected) = (x(), &expected);
                scope.spawn(move || {
                    for _ in 0..100 * (number + 1) {
                        assert_eq!(run(&mut session, vec![x.clone()], &[]).unwrap(), *expected);
                    }
                });
            }
        });
    }

    #[test]
    fn weights_are_shared_only_where_that_is_asked_for() {
        let onnx = dense("MatMul", &framed(9, &1_f32.to_le_bytes().repeat(128 * 128)));
        assert!(runtime().prepare(model_of(&onnx, &[]), 2).unwrap().shared.is_none());
        assert!(runtime().prepare_shared(model_of(&onnx, &[]), 1).unwrap().shared.is_none());
        assert!(runtime().prepare_shared(model_of(&onnx, &[]), 2).unwrap().shared.is_some());
    }

    #[test]
    fn a_shareable_weight_that_is_not_repacked_is_kept() {
        // The kernel for INT32 repacks nothing.
        let data: Vec<u8> = (0..128 * 128).flat_map(|n: i32| (n % 100).to_le_bytes()).collect();
        let value = |name| {
            let mut value = matrix(name, [[0x80, 1]; 2]);
            let at = value.windows(2).position(|pair| pair == [8, 1]).unwrap();
            value[at + 1] = 6;
            value
        };
        let tensor = [&[8, 0x80, 1, 8, 0x80, 1, 16, 6][..], &framed(8, b"w"), &framed(9, &data)].concat();
        let graph = [
            framed(1, &node("MatMul", [b"x", b"w"], b"y")),
            framed(2, b"dense"),
            framed(5, &tensor),
            framed(11, &value(b"x")),
            framed(12, &value(b"y")),
        ];
        let onnx = [vec![8, 8], framed(7, &graph.concat()), framed(8, &[16, 17])].concat();
        let mut loader = runtime().prepare_shared(model_of(&onnx, &[]), 2).unwrap();
        assert!(loader.shared.is_some());
        let open = [loader.open(&CPU).unwrap(), loader.open(&CPU).unwrap()];
        assert_eq!(loader.zero_copy_weights.held(), data.len());
        for mut session in open {
            let mut unit = vec![0; 128 * 128];
            unit[..128].fill(1);
            let x = Tensor::new("x", vec![128, 128], TensorData::Int32(unit)).unwrap();
            let y = run(&mut session, vec![x], &[]).unwrap();
            let TensorData::Int32(y) = y[0].data() else { panic!("{y:?}") };
            let sum: i32 = (0..128).map(|row| row * 128 % 100).sum();
            assert_eq!((y[0], y[128]), (sum, 0));
        }
        assert_eq!(loader.zero_copy_weights.held(), 0);
    }

    /// `y = x + 2 w`, FP32, with `w` = 256 x 512 elements of type 21 or 22, of 4 bits.
    fn quantized(data_type: u8, data: &[u8]) -> Vec<u8> {
        let value = |name| matrix(name, [[0x80, 2], [0x80, 4]]);
        let raw = |data: &[u8]| framed(9, data);
        let weight = [&[8, 0x80, 2, 8, 0x80, 4, 16, data_type][..], &framed(8, b"w"), &raw(data)].concat();
        let scale = [&[16, 1][..], &framed(8, b"s"), &raw(&2_f32.to_le_bytes())].concat();
        let graph = [
            framed(1, &node("DequantizeLinear", [b"w", b"s"], b"d")),
            framed(1, &node("Add", [b"x", b"d"], b"y")),
            framed(2, b"quantized"),
            framed(5, &weight),
            framed(5, &scale),
            framed(11, &value(b"x")),
            framed(12, &value(b"y")),
        ];
        [vec![8, 10], framed(7, &graph.concat()), framed(8, &[16, 21])].concat()
    }

    #[test]
    fn weights_of_types_that_no_request_sends_are_read_in_place_too() {
        const ELEMENTS: usize = 256 * 512;
        for data_type in [21, 22] {
            let model = model_of(&quantized(data_type, &[0x11; ELEMENTS / 2]), &[]);
            let mut loader = runtime().prepare(model, 1).unwrap();
            assert_eq!(loader.zero_copy_weights.held(), ELEMENTS / 2);
            let mut session = loader.open(&CPU).unwrap();
            assert_eq!(session.inputs().len(), 1);
            let x = Tensor::new("x", vec![256, 512], TensorData::Fp32(vec![1.0; ELEMENTS])).unwrap();
            let y = run(&mut session, vec![x], &[]).unwrap();
            assert_eq!(y[0].data(), &TensorData::Fp32(vec![3.0; ELEMENTS]), "{data_type}");
        }
    }

    /// `y` = those of the 65,536 numbers `x` for which `c` is true, which `condition` makes.
    fn compress(condition: &[u8]) -> Vec<u8> {
        let value = |name, size: &[u8]| {
            let shape = framed(2, &framed(1, size));
            [framed(1, name), framed(2, &framed(1, &[&[8, 1][..], &shape].concat()))].concat()
        };
        let graph = [
            framed(1, &node("Compress", [b"x", b"c"], b"y")),
            framed(2, b"compress"),
            condition.to_vec(),
            framed(11, &value(b"x", &[8, 0x80, 0x80, 4])),
            framed(12, &value(b"y", b"\x12\x01k")),
        ];
        [vec![8, 8], framed(7, &graph.concat()), framed(8, &[16, 17])].concat()
    }

    #[test]
    fn booleans_that_are_neither_0_nor_1_show_no_foreign_memory() {
        let x: Vec<f32> = (0..=u16::MAX).map(f32::from).collect();
        let odd = [0xff, 0, 2, 1];
        let mut all = vec![0; x.len()];
        all[..4].copy_from_slice(&odd);
        let tensor = |data: &[u8]| [&[8, 0x80, 0x80, 4, 16, 9][..], &framed(8, b"c"), data].concat();
        let (raw, outside) = (framed(9, &all), b"\x6a\x0d\x0a\x08location\x12\x01c\x70\x01");
        let constant = [framed(1, b"value"), framed(5, &tensor(&raw)), vec![0xa0, 1, 4]].concat();
        let constant = [framed(2, b"c"), framed(4, b"Constant"), framed(5, &constant)].concat();
        let places: Vec<u8> = (0..4_i64).flat_map(i64::to_le_bytes).collect();
        let places = [vec![8, 4, 16, 7], framed(9, &places)].concat();
        let few = [vec![8, 4, 16, 9], framed(8, b"c"), framed(9, &odd)].concat();
        let sparse = [framed(1, &few), framed(2, &places), vec![24, 0x80, 0x80, 4]].concat();
        for (what, condition, members) in [
            ("a weight", framed(5, &tensor(&raw)), &[][..]),
            ("a member", framed(5, &tensor(outside)), &[("c", all.as_slice())]),
            ("a constant", framed(1, &constant), &[]),
            ("a sparse weight", framed(15, &sparse), &[]),
        ] {
            let model = model_of(&compress(&condition), members);
            let mut session = runtime().prepare(model, 1).unwrap().open(&CPU).unwrap();
            let x = Tensor::new("x", vec![x.len()], TensorData::Fp32(x.clone())).unwrap();
            let y = run(&mut session, vec![x], &[]).unwrap();
            assert_eq!(y[0].shape(), [3], "{what}");
            assert_eq!(y[0].data(), &TensorData::Fp32(vec![0.0, 2.0, 3.0]), "{what}");
        }
    }

    #[test]
    fn weights_in_the_model_are_moved_to_where_numbers_may_lie() {
        let weight = |start| Weight {
            name: "w".into(),
            data_type: 1,
            shape: vec![4],
            range: start..start + 16,
            is_shareable: false,
        };
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
