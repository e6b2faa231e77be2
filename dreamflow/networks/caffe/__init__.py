"""GoogLeNet as Caffe has it, and its small copy, as graphs of named layers."""
