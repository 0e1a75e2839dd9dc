//! Where the worker that is linked with libtensorflowlite_c finds it: next to the installation, and in development builds in
//! the folder that `tools/fetch-runtimes` fills. The daemon's LD_LIBRARY_PATH for a configured library goes before both.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    if std::env::var_os("CARGO_FEATURE_TFLITE").is_none() {
        return;
    }
    let mut places = vec!["$ORIGIN/../lib/backbone".to_owned()];
    if set("PROFILE") == "debug" {
        // target/debug/backbone-worker-tflite → runtimes/<arch>. Not in release builds: an installed one must not look there.
        places.push(format!("$ORIGIN/../../runtimes/{}", set("CARGO_CFG_TARGET_ARCH")));
    }
    for place in places {
        println!("cargo:rustc-link-arg-bin=backbone-worker-tflite=-Wl,-rpath,{place}");
    }
}
