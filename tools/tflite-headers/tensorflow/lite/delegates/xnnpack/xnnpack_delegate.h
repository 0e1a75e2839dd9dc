/*
 * The XNNPACK delegate of libtensorflowlite_c.so as tflitec binds it.
 *
 * The options are returned by value: the caller provides the memory, the library fills in as many bytes as its own
 * structure has. In TensorFlow 2.17.1 these are 32 (read off the disassembly of TfLiteXNNPackDelegateOptionsDefault: eight
 * words set, thread count at byte 0, flags at byte 4). Later versions appended fields. The reserve at the end gives such
 * a version room, and carries its defaults back to it, so that no version from 2.17 on can write past our structure.
 * src/runtime/tflite/session.rs declares the same layout and checks at start-up what the library filled in.
 */
#ifndef BACKBONE_TFLITE_XNNPACK_DELEGATE_H
#define BACKBONE_TFLITE_XNNPACK_DELEGATE_H

#include "../../c/c_api.h"

typedef struct {
  int32_t num_threads;
  uint32_t flags;
  void *weights_cache;
  bool handle_variable_ops;
  const char *weight_cache_file_path;
  uint64_t reserve[28];
} TfLiteXNNPackDelegateOptions;

TfLiteXNNPackDelegateOptions TfLiteXNNPackDelegateOptionsDefault(void);
TfLiteDelegate *TfLiteXNNPackDelegateCreate(const TfLiteXNNPackDelegateOptions *options);
void TfLiteXNNPackDelegateDelete(TfLiteDelegate *delegate);

#endif
