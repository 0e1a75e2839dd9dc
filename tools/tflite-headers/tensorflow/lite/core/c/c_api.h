/* Empty on purpose: tflitec copies a file of this name; all that it binds is declared in lite/c/c_api.h. */
