//! The table itself.

use super::{Flavor, Member, Release, Wheel, sha256};

/// Every known build.
pub static RELEASES: &[Release] = &[
    Release {
        version: "1.29.0",
        flavor: Flavor::Cpu,
        arch: "x86_64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.29.0",
            file: "onnxruntime-1.29.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            size: 23_136_745,
            sha256: sha256("2b80d8c7ec2cc7438e4da3760b88c24568cba72c9ace96d668800a6c79419acb"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.29.0",
                size: 28_501_848,
                sha256: sha256("8902e52a04bf6bf26f1613746811d6194f9c97ce7a6a7a28452b48522d3bd8d0"),
            }],
        }],
    },
    Release {
        version: "1.29.0",
        flavor: Flavor::Cpu,
        arch: "aarch64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.29.0",
            file: "onnxruntime-1.29.0-cp312-cp312-manylinux_2_28_aarch64.whl",
            size: 20_816_870,
            sha256: sha256("d2fb19e848f7c33ed8d3182b52504aaa11c5e8da438bbb47296f85b133cbcf6b"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.29.0",
                size: 24_538_024,
                sha256: sha256("1444bdca675524f4d265f71397810c9b1f39164b6dccc8f1a39cd81d938e98f4"),
            }],
        }],
    },
    Release {
        version: "1.30.0",
        flavor: Flavor::Cpu,
        arch: "x86_64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.30.0",
            file: "onnxruntime-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            size: 23_585_654,
            sha256: sha256("fa688e7891a6aa206636fe7372e27ee75fd17713289f6b4fc7b190e0a7de9328"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.30.0",
                size: 28_985_152,
                sha256: sha256("c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed"),
            }],
        }],
    },
    Release {
        version: "1.30.0",
        flavor: Flavor::Cpu,
        arch: "aarch64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.30.0",
            file: "onnxruntime-1.30.0-cp312-cp312-manylinux_2_28_aarch64.whl",
            size: 21_345_202,
            sha256: sha256("6c32a000d5139a38ba9349030b0032e3331acb559d596b22738d9d2b343a2b83"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.30.0",
                size: 25_135_496,
                sha256: sha256("8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789"),
            }],
        }],
    },
    Release {
        version: "1.31.0",
        flavor: Flavor::Cpu,
        arch: "x86_64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.31.0",
            file: "onnxruntime-1.31.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            size: 23_760_984,
            sha256: sha256("5e129d6c56abd53e659cb70f00a108d6824086470ff99c2e47a82e5786563db3"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.31.0",
                size: 29_352_200,
                sha256: sha256("21901b1b02233484b80888c16f4f5473742f796bf5528d5d0c4073dbe9802001"),
            }],
        }],
    },
    Release {
        version: "1.31.0",
        flavor: Flavor::Cpu,
        arch: "aarch64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.31.0",
            file: "onnxruntime-1.31.0-cp312-cp312-manylinux_2_28_aarch64.whl",
            size: 21_420_804,
            sha256: sha256("35758d7606d578ec5b9d65f6e8a1f488013194c3f6097038a3223cb26d35ef9a"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.31.0",
                size: 25_265_040,
                sha256: sha256("b79d2fcf36b8870f4b2da95784a6ad846c47f05511ffa7be409c79a44f9dc9a4"),
            }],
        }],
    },
    Release {
        version: "1.31.1",
        flavor: Flavor::Cpu,
        arch: "x86_64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.31.1",
            file: "onnxruntime-1.31.1-cp312-cp312-manylinux_2_28_x86_64.whl",
            size: 23_760_988,
            sha256: sha256("1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.31.1",
                size: 29_352_200,
                sha256: sha256("fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"),
            }],
        }],
    },
    Release {
        version: "1.31.1",
        flavor: Flavor::Cpu,
        arch: "aarch64",
        wheels: &[Wheel {
            project: "onnxruntime",
            version: "1.31.1",
            file: "onnxruntime-1.31.1-cp312-cp312-manylinux_2_28_aarch64.whl",
            size: 21_420_803,
            sha256: sha256("0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc"),
            members: &[Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.31.1",
                size: 25_265_040,
                sha256: sha256("8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467"),
            }],
        }],
    },
    Release { version: "1.29.0", flavor: Flavor::Cuda, arch: "x86_64", wheels: CUDA_WHEELS },
];

/// `onnxruntime-gpu`, and what its CUDA provider needs beside the driver. A wheel
/// comes after those that it needs; libraries of one wheel find each other.
static CUDA_WHEELS: &[Wheel] = &[
    Wheel {
        project: "onnxruntime-gpu",
        version: "1.29.0",
        file: "onnxruntime_gpu-1.29.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        size: 202_177_606,
        sha256: sha256("8ccd052ca4de21b2a335f3503a283126163b6fab9dba29d1d9cbf3fa55c51d28"),
        members: &[
            Member {
                path: "onnxruntime/capi/libonnxruntime.so.1.29.0",
                size: 28_583_768,
                sha256: sha256("99458e9d185dfa1a9b5f6510790ede3bedc25dea378adb904ce292b517eeaecf"),
            },
            Member {
                path: "onnxruntime/capi/libonnxruntime_providers_cuda.so",
                size: 229_780_440,
                sha256: sha256("833d827e5de8030e541ccf6345f1a3e07c53ae9f3302930a1273035dd665e969"),
            },
            Member {
                path: "onnxruntime/capi/libonnxruntime_providers_shared.so",
                size: 14_632,
                sha256: sha256("086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d"),
            },
        ],
    },
    Wheel {
        project: "nvidia-cuda-runtime",
        version: "13.0.96",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        size: 2_243_632,
        sha256: sha256("7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
        members: &[Member {
            path: "nvidia/cu13/lib/libcudart.so.13",
            size: 704_288,
            sha256: sha256("96c42e418cec19054186b9429c321603cc190bf26a18104e19408117a2a817b0"),
        }],
    },
    Wheel {
        project: "nvidia-nvjitlink",
        version: "13.0.88",
        file: "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
        size: 40_713_933,
        sha256: sha256("13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"),
        members: &[Member {
            path: "nvidia/cu13/lib/libnvJitLink.so.13",
            size: 98_806_736,
            sha256: sha256("931347fa77d9fd5511059e04627f122b1ee33e409f22c3273ddddbe065713a3a"),
        }],
    },
    Wheel {
        project: "nvidia-cuda-nvrtc",
        version: "13.0.88",
        file: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
        size: 90_215_200,
        sha256: sha256("ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"),
        members: &[
            Member {
                path: "nvidia/cu13/lib/libnvrtc-builtins.so.13.0",
                size: 4_380_616,
                sha256: sha256("91dcd944d01da9c0f08fff5d779db136a47f6d62bdb63bae900d2f481e92c3a2"),
            },
            Member {
                path: "nvidia/cu13/lib/libnvrtc.so.13",
                size: 109_338_064,
                sha256: sha256("a49e67e8e74590f1e98de55c39c6287efd3f59e3c3797464d7bbe0fe01349b11"),
            },
        ],
    },
    Wheel {
        project: "nvidia-cublas",
        version: "13.1.0.3",
        file: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
        size: 423_133_236,
        sha256: sha256("ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171"),
        members: &[
            Member {
                path: "nvidia/cu13/lib/libcublas.so.13",
                size: 54_177_976,
                sha256: sha256("e70f38efabe986acd5eb683497c62f0f1730a6176ee291d9d24c6e339d1fbf86"),
            },
            Member {
                path: "nvidia/cu13/lib/libcublasLt.so.13",
                size: 541_595_600,
                sha256: sha256("656298c804f5adbb0df930545c17911b9584ab4e5101c0eeb65d1fe881d880f8"),
            },
        ],
    },
    Wheel {
        project: "nvidia-curand",
        version: "10.4.0.35",
        file: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
        size: 59_544_258,
        sha256: sha256("1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc"),
        members: &[Member {
            path: "nvidia/cu13/lib/libcurand.so.10",
            size: 132_698_328,
            sha256: sha256("b53732a66b302b11926e00f762e2c2ba67058347ff93cf4ae709de45e93e06da"),
        }],
    },
    Wheel {
        project: "nvidia-cufft",
        version: "12.0.0.61",
        file: "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        size: 214_085_489,
        sha256: sha256("6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"),
        members: &[Member {
            path: "nvidia/cu13/lib/libcufft.so.12",
            size: 286_542_352,
            sha256: sha256("0933f68bb7e3bf90f86d70bc87cd2f69027f7757e89e5de5e19ec33a53fd8d3a"),
        }],
    },
    Wheel {
        project: "nvidia-cudnn-cu13",
        version: "9.20.0.48",
        file: "nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl",
        size: 366_173_588,
        sha256: sha256("0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304"),
        members: &[
            Member {
                path: "nvidia/cudnn/lib/libcudnn.so.9",
                size: 129_240,
                sha256: sha256("b88025af76979b3f1af208790195093684fe01cb8d190528856058f988016660"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_adv.so.9",
                size: 109_169_104,
                sha256: sha256("7702094a50dbea5b8244df01af8e9d3565309d3996bbc8ca96b6c7a207d2d6bd"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_cnn.so.9",
                size: 4_203_904,
                sha256: sha256("e830c5cba875ebeb8ed3cfde5cc038a2703692ce714a8a4ff28666ac8e2c5732"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_engines_precompiled.so.9",
                size: 245_391_920,
                sha256: sha256("e5133109f710c215d72fdc8f1d9be187f4760f5f32e57cc8c57515ea9e91455e"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_engines_runtime_compiled.so.9",
                size: 29_386_664,
                sha256: sha256("28db2a6f433a184e264d927b183c47ecaf72dc65ed58245a6d2380f980e29cd3"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_graph.so.9",
                size: 4_460_192,
                sha256: sha256("35c099d318433a88d292775676a51a07d2dd152c3ae799b1c21a75b40f78e456"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_heuristic.so.9",
                size: 60_822_040,
                sha256: sha256("a41eb9baa9ccc9e2d6c9f2ca226021b54c8ee2df4abf3a91e41687847b481228"),
            },
            Member {
                path: "nvidia/cudnn/lib/libcudnn_ops.so.9",
                size: 39_855_888,
                sha256: sha256("705d3dcf9b209fdbeeecd8aaec5fcd0f6f55de5661e1c1388b5a4b8fd29db7c3"),
            },
        ],
    },
];
