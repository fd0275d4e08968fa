import { defineConfig } from "prisma/config";

export default defineConfig({
  schema: "prisma/schema.prisma",
  migrations: { path: "prisma/migrations" },
  datasource: { url: process.env.LEGALONE_DATABASE_URL ?? "postgresql://localhost/legalone" },
});
