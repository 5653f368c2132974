import t from "tap";
import { planNetDevices } from "./net-devices.js";

t.test("devices keep their order, and their names where no other is given", async (t) => {
  t.strictSame(planNetDevices({ eth1: { name: "lan%d" }, eth0: {}, "a~b": { name: "" } }), [
    { name: "eth1", newName: "lan%d", pointer: "/linux/netDevices/eth1" },
    { name: "eth0", newName: "eth0", pointer: "/linux/netDevices/eth0" },
    { name: "a~b", newName: "a~b", pointer: "/linux/netDevices/a~0b" },
  ]);
});
