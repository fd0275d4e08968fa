-- The workspace that these records belong to. serve writes its name at its first start, and a serve of another folder is
-- refused from then on.
CREATE TABLE "Workspace" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "name" TEXT NOT NULL,

    CONSTRAINT "Workspace_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "one_workspace" CHECK ("id" = 1)
);
