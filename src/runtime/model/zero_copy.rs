//! Weights that ONNX Runtime reads where they were decrypted: no copy is made, and
//! each is wiped and given back as soon as the library is done with it, which is
//! while it opens the model for those that it repacks.

#![expect(unsafe_code, reason = "the library's own interface is the only one that tells when it is done")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{CString, c_void};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::editor::{Graph, Model, editor_api};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::{PrepackedWeights, SessionBuilder};
use ort::sys::{ONNXTensorElementDataType as Type, OrtAllocator, OrtMemoryInfo, OrtStatusPtr, OrtValue};
use ort::value::Outlet;
use ort::{AsPointer, Error, api};

use crate::secret::SecretPages;

/// One tensor of a model, and where its data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weight {
    /// The initializer's name.
    pub(super) name: String,
    /// `TensorProto.DataType`.
    pub(super) data_type: u64,
    /// Its dimensions.
    pub(super) shape: Vec<i64>,
    /// Where its data is in the plaintext.
    pub(super) range: Range<usize>,
    /// Whether every operator that reads it can share its repacked form between sessions.
    pub(super) is_shareable: bool,
}

/// A model's plaintext, of which the library reads single weights.
pub(super) struct ZeroCopyWeights(Arc<Shared>);

/// What the library knows by its first field.
#[repr(C)]
struct Shared {
    allocator: OrtAllocator,
    place: MemoryInfo<'static>,
    state: Mutex<State>,
}

struct State {
    plaintext: SecretPages,
    /// Pieces that do not overlap, by where they begin, and how many tensors read each.
    pieces: BTreeMap<usize, (Range<usize>, usize)>,
    /// The piece of each weight, by the weight's address.
    piece_of: HashMap<usize, usize>,
    /// No further session will be opened: a piece that nothing reads any more is wiped.
    last: bool,
}

impl ZeroCopyWeights {
    /// Takes `plaintext`, of which nothing but `weights` is needed any more; all else is
    /// wiped here.
    pub(super) fn new(mut plaintext: SecretPages, weights: &[Weight]) -> Self {
        let pieces = pieces(weights);
        let mut end = 0;
        for piece in &pieces {
            plaintext.discard(end..piece.start);
            end = piece.end;
        }
        plaintext.discard(end..plaintext.len());
        let start = plaintext.start().as_ptr() as usize;
        let piece = |weight: &Weight| pieces.partition_point(|piece| piece.start <= weight.range.start) - 1;
        let piece_of = weights.iter().map(|w| (start + w.range.start, pieces[piece(w)].start)).collect();
        let state = State {
            plaintext,
            piece_of,
            pieces: pieces.into_iter().map(|piece| (piece.start, (piece, 0))).collect(),
            last: false,
        };
        let allocator = OrtAllocator {
            version: ort::sys::ORT_API_VERSION,
            Alloc: Some(refuse),
            Free: Some(release_tensor),
            Info: Some(place),
            Reserve: None,
        };
        let place = MemoryInfo::default();
        Self(Arc::new(Shared { allocator, place, state: Mutex::new(state) }))
    }

    /// Opens the model `onnx` with `builder`, whose `weights` are inputs there, and makes
    /// them initializers. Where this is the `last` time, each is wiped once the library
    /// is done with it.
    pub(super) fn open(
        &self,
        mut builder: SessionBuilder,
        onnx: &[u8],
        weights: &[Weight],
        shared: Option<&SharedWeights>,
        last: bool,
    ) -> ort::Result<Session> {
        if weights.is_empty() {
            return builder.commit_from_memory(onnx);
        }
        if let Some(shared) = shared {
            builder = shared.register(builder)?;
        }
        let mut loaded = builder.edit_from_memory(onnx)?;
        let names: HashSet<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
        let inputs = loaded.inputs().iter().filter(|input| !names.contains(input.name()));
        let mut graph = Graph::new()?;
        graph.set_inputs(inputs.map(|input| Outlet::new(input.name(), input.dtype().clone())))?;
        self.0.lock().last = last;
        for weight in weights {
            self.add_initializer(&mut graph, weight)?;
        }
        let mut additions = Model::new([])?;
        additions.set_graph(graph)?;
        loaded.apply_model(&additions)?;
        // It holds the weights too; they could not go one by one.
        drop(additions);
        loaded.into_session()
    }

    /// What sessions that are opened with it share of `weights`.
    pub(super) fn share(&self, weights: &[Weight]) -> ort::Result<SharedWeights> {
        let elsewhere =
            MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, MemoryType::Default)?;
        let shareable = weights.iter().filter(|weight| weight.is_shareable);
        let markers =
            shareable.map(|weight| self.marker(weight, &elsewhere)).collect::<ort::Result<Vec<_>>>()?;
        Ok(SharedWeights(Arc::new(Prepacked { container: PrepackedWeights::new(), markers })))
    }

    /// A view of `weight` that says to be `elsewhere`.
    fn marker(&self, weight: &Weight, elsewhere: &MemoryInfo<'_>) -> ort::Result<Marker> {
        let name = CString::new(weight.name.as_str()).map_err(|_| Error::new("a name holds a zero"))?;
        let data_type = tensor_type(weight.data_type).ok_or_else(|| Error::new("no type of a weight"))?;
        let at = self.0.lock().at(weight)?;
        let mut value = ptr::null_mut();
        // SAFETY: all of them live through the call, which reads no data.
        check(unsafe {
            (api().CreateTensorWithDataAsOrtValue)(
                elsewhere.ptr(),
                at.as_ptr().cast(),
                weight.range.len(),
                weight.shape.as_ptr(),
                weight.shape.len(),
                data_type,
                &raw mut value,
            )
        })?;
        let value = NonNull::new(value).ok_or_else(|| Error::new("a value is missing"))?;
        Ok(Marker { name, value })
    }

    /// Whether the library reads any of the weights where it is.
    pub(super) fn is_in_use(&self) -> bool {
        self.0.lock().pieces.values().any(|(_, readers)| *readers > 0)
    }

    /// Keeps the weights alive beside a session.
    pub(super) fn guard(&self, shared: Option<SharedWeights>) -> Guard {
        Guard(Arc::clone(&self.0), shared)
    }

    fn add_initializer(&self, graph: &mut Graph, weight: &Weight) -> ort::Result<()> {
        let name = CString::new(weight.name.as_str()).map_err(|_| Error::new("a name holds a zero"))?;
        let data_type = tensor_type(weight.data_type).ok_or_else(|| Error::new("no type of a weight"))?;
        let at = {
            let mut state = self.0.lock();
            let at = state.at(weight)?;
            state.acquire(at);
            at
        };
        // One count for each tensor, taken back with it.
        let shared = Arc::into_raw(Arc::clone(&self.0));
        let mut value: *mut OrtValue = ptr::null_mut();
        let (shape, size) = (&weight.shape, weight.range.len());
        // SAFETY: `shared` begins with its allocator and lives until the tensor is gone;
        // the data is the tensor's alone but for other readers until then.
        let made = unsafe {
            (api().CreateTensorWithDataAndDeleterAsOrtValue)(
                shared.cast_mut().cast(),
                at.as_ptr().cast(),
                size,
                shape.as_ptr(),
                shape.len(),
                data_type,
                &raw mut value,
            )
        };
        if let Err(error) = check(made) {
            // SAFETY: no tensor was made that would give the count back.
            unsafe { release_tensor(shared.cast_mut().cast(), at.as_ptr().cast()) };
            return Err(error);
        }
        // SAFETY: all of them live through the call, which takes the tensor over.
        let added =
            unsafe { (editor_api()?.AddInitializerToGraph)(graph.ptr_mut(), name.as_ptr(), value, true) };
        check(added).inspect_err(|_| {
            // SAFETY: it was not taken over, and is used no more.
            unsafe { (api().ReleaseValue)(value) };
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where the data of `weight` begins.
    fn at(&self, weight: &Weight) -> ort::Result<NonNull<u8>> {
        let start = self.plaintext.start();
        let within = weight.range.end <= self.plaintext.len();
        // SAFETY: the range is within the plaintext.
        let at = within.then(|| unsafe { start.add(weight.range.start) });
        at.ok_or_else(|| Error::new("a weight is not in the plaintext"))
    }

    fn acquire(&mut self, at: NonNull<u8>) {
        if let Some((_, readers)) =
            self.piece_of.get(&(at.as_ptr() as usize)).and_then(|start| self.pieces.get_mut(start))
        {
            *readers += 1;
        }
    }

    fn release(&mut self, at: usize) {
        let Some(start) = self.piece_of.get(&at) else { return };
        let Some((range, readers)) = self.pieces.get_mut(start) else { return };
        *readers = readers.saturating_sub(1);
        if *readers == 0 && self.last {
            self.plaintext.discard(range.clone());
        }
    }
}

/// Repacked weights that the sessions of one model share.
///
/// The library keeps a repacked weight in a container, for all sessions that are opened with
/// it, if the session's options have an initializer of the weight's name. It would read the
/// weight from that initializer, and never say when it is done with it. So the initializer
/// claims to be in the memory of another device. The library then reads the weight of the
/// graph, for which it calls `Free`.
///
/// The container finds a repacked weight by its operator and 61 bits of MurmurHash3, and
/// compares nothing else. The author of a model can make two of its weights collide, and a
/// kernel may then read beyond the smaller one. So a container is for one model only, and only
/// models whose author is trusted share weights.
#[derive(Clone)]
pub(super) struct SharedWeights(Arc<Prepacked>);

struct Prepacked {
    container: PrepackedWeights,
    markers: Vec<Marker>,
}

/// An initializer whose repacked form is shared.
struct Marker {
    name: CString,
    value: NonNull<OrtValue>,
}

// SAFETY: nobody changes a value, and the library only asks for its type and device.
unsafe impl Send for Marker {}
// SAFETY: as above.
unsafe impl Sync for Marker {}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: it is ours, and used no more.
        unsafe { (api().ReleaseValue)(self.value.as_ptr()) };
    }
}

impl SharedWeights {
    /// Has sessions of `builder` share these weights. What they share must outlive them.
    fn register(&self, mut builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        for marker in &self.0.markers {
            // SAFETY: the name lives through the call, the value as long as the session.
            check(unsafe {
                (api().AddInitializer)(builder.ptr_mut(), marker.name.as_ptr(), marker.value.as_ptr())
            })?;
        }
        Ok(builder.with_prepacked_weights(&self.0.container)?)
    }
}

/// Keeps the weights alive until the session beside it is gone.
#[expect(dead_code, reason = "both are there to be dropped")]
pub(super) struct Guard(Arc<Shared>, Option<SharedWeights>);

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

#[cfg(test)]
impl ZeroCopyWeights {
    /// Bytes of plaintext that are still there.
    pub(super) fn held(&self) -> usize {
        self.0.lock().plaintext.held()
    }
}

/// `weights` as pieces in order that do not overlap: what two share goes only when
/// both are back.
fn pieces(weights: &[Weight]) -> Vec<Range<usize>> {
    let mut ranges: Vec<_> = weights.iter().map(|weight| weight.range.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    let mut pieces: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match pieces.last_mut().filter(|last| range.start < last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => pieces.push(range),
        }
    }
    pieces
}

/// The library allocates nothing here.
unsafe extern "system" fn refuse(_: *mut OrtAllocator, _: usize) -> *mut c_void {
    ptr::null_mut()
}

/// The library is done with the tensor whose data is `at`.
unsafe extern "system" fn release_tensor(this: *mut OrtAllocator, at: *mut c_void) {
    // SAFETY: each tensor was made with a count of its own, which this takes.
    let shared = unsafe { Arc::from_raw(this.cast_const().cast::<Shared>()) };
    shared.lock().release(at as usize);
}

unsafe extern "system" fn place(this: *const OrtAllocator) -> *const OrtMemoryInfo {
    // SAFETY: it is the first field of one that lives as long as any tensor of it.
    unsafe { (*this.cast::<Shared>()).place.ptr() }
}

fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: it comes from the library, and is used no more.
    unsafe { Error::result_from_status(status) }
}

/// The library's name of a `TensorProto.DataType` whose tensors need no copy: every byte of
/// their data means something. That is not so for BOOL (9): what is neither 0 nor 1 the
/// library makes 1 when it loads a weight itself, and its kernels rely on that. They would
/// count 255 elements where one is, and answer with memory that nobody wrote to.
fn tensor_type(code: u64) -> Option<Type> {
    Some(match code {
        1 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        2 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        3 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        4 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
        5 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
        6 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        7 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        10 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        11 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        12 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
        13 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
        16 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
        21 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4,
        22 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4,
        _ => return None,
    })
}

/// Whether tensors of this `TensorProto.DataType` need no copy, and the multiple at
/// which their data must lie.
pub(super) fn alignment(code: u64) -> Option<usize> {
    tensor_type(code)?;
    Some(match code {
        4 | 5 | 10 | 16 => 2,
        1 | 6 | 12 => 4,
        7 | 11 | 13 => 8,
        _ => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(range: Range<usize>) -> Weight {
        Weight { name: "w".into(), data_type: 2, shape: vec![1], range, is_shareable: false }
    }

    #[test]
    fn weights_that_overlap_are_one_piece() {
        let weights = [30..40, 0..10, 10..20, 35..50, 36..37, 60..70].map(weight);
        assert_eq!(pieces(&weights), [0..10, 10..20, 30..50, 60..70]);
    }

    #[test]
    fn what_no_weight_needs_is_wiped_at_once() {
        crate::runtime::testing::runtime();
        let mut plaintext = SecretPages::zeroed(100).unwrap();
        plaintext.expose_mut().fill(7);
        let weights = ZeroCopyWeights::new(plaintext, &[weight(30..40), weight(35..50)]);
        assert_eq!(weights.held(), 20);
        let start = weights.0.lock().plaintext.start().as_ptr() as usize;
        let mut state = weights.0.lock();
        state.last = true;
        for at in [30, 35] {
            state.acquire(NonNull::new((start + at) as *mut u8).unwrap());
        }
        state.release(start + 30);
        assert_eq!(state.plaintext.held(), 20, "the other still reads it");
        state.release(start + 35);
        assert_eq!(state.plaintext.held(), 0);
    }
}
