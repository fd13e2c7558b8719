/** Bodies over the limit are refused, those without a declared length while they are read. */
import { createMiddleware } from "hono/factory";
import { BatonError } from "../../protocol/errors.ts";

/** @throws BatonError `message_too_large` */
export function bodyLimit(maxBytes: number) {
  const tooLarge = (): BatonError =>
    new BatonError("message_too_large", `A body may have ${maxBytes} bytes. Send less.`, { maxBytes });
  return createMiddleware(async (c, next) => {
    if (Number(c.req.header("content-length") ?? 0) > maxBytes) throw tooLarge();
    if (c.req.header("transfer-encoding") !== undefined && c.req.raw.body) {
      // Read here, not passed on as a stream: the validator would take the error of one for malformed JSON.
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of c.req.raw.body) {
        bytes += chunk.byteLength;
        if (bytes > maxBytes) throw tooLarge();
        chunks.push(chunk);
      }
      const { method, headers, signal } = c.req.raw;
      c.req.raw = new Request(c.req.url, { method, headers, signal, body: Buffer.concat(chunks) });
    }
    await next();
  });
}
