module nerdctl

go 1.21

require github.com/containerd/nerdctl v1.7.7
