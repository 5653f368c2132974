import t from "tap";
import { cgroupOwner } from "./delegation.js";
import type { Spec } from "../spec/generated/spec-types.js";

interface Choices {
  uid?: number;
  options?: string[];
  namespaces?: { type: "cgroup"; path?: string }[];
  mapped?: boolean;
}

function spec({ uid = 0, options = ["rw"], namespaces = [{ type: "cgroup" }], mapped = true }: Choices): Spec {
  return {
    ociVersion: "1.3.0",
    process: { cwd: "/", args: ["sh"], user: { uid, gid: 0 } },
    mounts: [{ destination: "/sys/fs/cgroup", type: "cgroup", options }],
    linux: { namespaces, ...(mapped && { uidMappings: [{ containerID: 0, hostID: 100000, size: 1000 }] }) },
  };
}

t.test("the program's user on the host owns a cgroup that it sees alone and may write to", async (t) => {
  t.equal(cgroupOwner(spec({})), 100000);
  t.equal(cgroupOwner(spec({ uid: 7 })), 100007);
  t.equal(cgroupOwner(spec({ uid: 7, mapped: false })), 7);
});

t.test("otherwise nothing is given away", async (t) => {
  t.equal(cgroupOwner(spec({ options: ["ro"] })), undefined);
  t.equal(cgroupOwner(spec({ namespaces: [] })), undefined);
  t.equal(cgroupOwner(spec({ namespaces: [{ type: "cgroup", path: "/proc/1/ns/cgroup" }] })), undefined);
  t.equal(cgroupOwner(spec({ uid: 5000 })), undefined);
  t.equal(cgroupOwner(spec({ mapped: false })), undefined);
  t.equal(cgroupOwner({ ...spec({}), mounts: [] }), undefined);
});
