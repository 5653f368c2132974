import t from "tap";
import { mergedResources, namedResources } from "./update-merge.js";

void t.test("what is 0 or empty is not named, but a burst and idle of 0 are", (t) => {
  t.same(
    namedResources({
      memory: { limit: 0, swap: 5, kernel: 3, kernelTCP: 4, disableOOMKiller: false },
      cpu: { shares: 0, cpus: "", burst: 0, idle: 0 },
      pids: { limit: 0 },
      blockIO: { weight: 0, throttleReadBpsDevice: [] },
      unified: {},
      devices: [],
    }),
    { memory: { swap: 5 }, cpu: { burst: 0, idle: 0 } },
  );
  t.same(namedResources({ memory: { swappiness: 0 } }), { memory: { swappiness: 0 } });
  t.same(namedResources({ pids: { limit: -1 } }), { pids: { limit: -1 } });
  t.end();
});

void t.test("changes are merged member by member and device by device", (t) => {
  const rate = (minor: number, value: number) => ({ major: 8, minor, rate: value });
  t.same(
    mergedResources(
      { memory: { limit: 5, swap: 9 }, blockIO: { throttleReadBpsDevice: [rate(0, 1), rate(16, 2)] }, devices: [{ allow: false }] },
      { memory: { limit: 6 }, blockIO: { throttleReadBpsDevice: [rate(16, 3)] }, devices: [{ allow: true }], pids: { limit: 4 } },
    ),
    {
      memory: { limit: 6, swap: 9 },
      blockIO: { throttleReadBpsDevice: [rate(0, 1), rate(16, 3)] },
      devices: [{ allow: true }],
      pids: { limit: 4 },
    },
  );
  t.end();
});
