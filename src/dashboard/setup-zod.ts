/**
 * Imported before anything that builds a schema. Zod would otherwise try to compile its parsers with `new Function`,
 * which the pages' content policy forbids and every visitor's console would report.
 */
import { config } from "zod";

config({ jitless: true });
