module cri-o

go 1.24

require github.com/cri-o/cri-o v1.34.0
