/** One real page, and the two ways to it: through the gateway, and straight over CDP. */
import { CdpClient } from "./cdp-client.ts";
import { createSandbox } from "./client.ts";
import { startProcess } from "./processes.ts";
import type { Context } from "./scenario.ts";

export interface RealBrowser {
  readonly gatewayUrl: string;
  readonly direct: CdpClient;
  /** A second connection of the same kind, for the control. */
  readonly directAgain: CdpClient;
}

export async function startRealBrowser({ resources, note }: Context): Promise<RealBrowser> {
  const [{ cdpUrl = "" }, { url = "" }] = await Promise.all([
    startProcess(resources, "browser-process.ts"),
    startProcess(resources, "gateway-process.ts"),
  ]);
  await createSandbox(url, cdpUrl);
  const direct = await CdpClient.attach(resources, cdpUrl);
  const { product } = await direct.send<{ product: string }>("Browser.getVersion");
  note("chromium", product);
  return { gatewayUrl: url, direct, directAgain: await CdpClient.attach(resources, cdpUrl) };
}
